//! CONFIG SET of what is chosen about TLS: the files are read before anything changes, and
//! strangers stay out, whatever is changed of passwords and users, too.

use std::net::IpAddr;

use millstream_acl::User;
use millstream_command::Reply;

use crate::listener;
use crate::session::Session;
use crate::shared::Shared;
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

/// Makes these settings those that are in force, all of them or none. `password` is what the same
/// command makes of `requirepass`, which is judged here, too, and not changed.
pub(crate) fn set(
    session: &Session,
    changes: &[(&'static str, String)],
    password: Option<&str>,
) -> Result<(), Refusal> {
    let shared = &session.shared;
    let tls = &shared.config.tls;
    if changes.is_empty() {
        return match password {
            Some(_) => refuse_strangers(shared, password, tls.requires_certificates()),
            None => Ok(()),
        };
    }
    tls.change(|settings| {
        for (setting, text) in changes {
            settings.set(setting, text).map_err(|why| Refusal { setting, why })?;
        }
        refuse_strangers(shared, password, settings.auth_clients == AuthClients::Yes)
    })
}

/// By what there will be after the command.
fn refuse_strangers(
    shared: &Shared,
    password: Option<&str>,
    requires_certificates: bool,
) -> Result<(), Refusal> {
    let default = shared.acl.default_user();
    let is_open = match password {
        Some(password) => password.is_empty() && default.is_on(),
        None => default.is_open(),
    };
    match listener::open_to_strangers(&shared.config, !is_open, requires_certificates) {
        Some(ip) if password.is_some() => {
            Err(Refusal { setting: "requirepass", why: everybody_could_come_in(ip) })
        }
        Some(ip) if !requires_certificates => Err(Refusal {
            setting: "tls-auth-clients",
            why: format!(
                "there is no password, and other machines may reach {ip}: only certificates keep \
                 strangers out"
            ),
        }),
        _ => Ok(()),
    }
}

/// For ACL: refuses a user `default` who would open an address to strangers, as at the start.
pub(crate) fn refuse_open_default(shared: &Shared, default: &User) -> Result<(), String> {
    let requires_certificates = shared.config.tls.requires_certificates();
    match listener::open_to_strangers(&shared.config, !default.is_open(), requires_certificates) {
        Some(ip) => Err(everybody_could_come_in(ip)),
        None => Ok(()),
    }
}

fn everybody_could_come_in(ip: IpAddr) -> String {
    format!("without a password everybody could come in, and other machines may reach {ip}")
}

/// Whether CONFIG SET of this name is for [`set`].
pub(crate) fn is_setting(name: &str) -> bool {
    crate::TlsSettings::default().get(name).is_some()
}
