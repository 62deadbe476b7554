//! CONFIG SET of what is chosen about TLS: the files are read before anything changes.

use millstream_command::Reply;

use crate::listener;
use crate::session::Session;
use crate::tls::{AuthClients, TlsError};

/// Why TLS stays as it is.
pub(crate) struct Refusal {
    pub(crate) setting: &'static str,
    pub(crate) why: String,
}

impl From<TlsError> for Refusal {
    fn from(error: TlsError) -> Self {
        Self { setting: error.setting(), why: error.to_string() }
    }
}

impl Refusal {
    pub(crate) fn reply(&self) -> Reply {
        let Self { setting, why } = self;
        let text =
            format!("ERR CONFIG SET failed (possibly related to argument '{setting}') - {why}");
        Reply::Error(text.into())
    }
}

/// Makes these settings those that are in force, all of them or none.
pub(crate) fn set(session: &Session, changes: &[(&'static str, String)]) -> Result<(), Refusal> {
    let shared = &session.shared;
    if changes.is_empty() {
        return Ok(());
    }
    let has_password = !shared.acl.default_user().is_open();
    shared.config.tls.change(|settings| {
        for (setting, text) in changes {
            settings.set(setting, text).map_err(|why| Refusal { setting, why })?;
        }
        let requires = settings.auth_clients == AuthClients::Yes;
        match listener::open_to_strangers(&shared.config, has_password, requires) {
            Some(ip) if !requires => Err(Refusal {
                setting: "tls-auth-clients",
                why: format!(
                    "there is no password, and other machines may reach {ip}: only certificates \
                     keep strangers out"
                ),
            }),
            _ => Ok(()),
        }
    })
}

/// Whether CONFIG SET of this name is for [`set`].
pub(crate) fn is_setting(name: &str) -> bool {
    crate::TlsSettings::default().get(name).is_some()
}
