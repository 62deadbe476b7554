//! TLS of a server: what was chosen, what was read from the files, and connections by it.
//!
//! ```text
//! port ──► handshakes (own thread, bounded) ──► worker ──► session over Stream::Tls
//!               │ Tls::current: what new connections get
//!               └── SIGHUP, CONFIG SET: read all files, and only if all is right take them
//! ```
//!
//! Invariants:
//! 1. What is in force was read as a whole: a certificate never meets the key of another one.
//! 2. A change that fails changes nothing, neither what is in force nor what CONFIG GET shows.
//! 3. Connections keep what they began with.

mod certificate;
mod handshakes;
mod private_key;
mod small_file;
mod tls_error;
mod tls_settings;
mod tls_stream;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};

pub(crate) use self::certificate::{CertificateFacts, common_name};
pub(crate) use self::handshakes::{HandshakeCounters, HandshakeThread};
pub use self::tls_error::TlsError;
pub use self::tls_settings::{AuthClients, TlsSettings};
pub(crate) use self::tls_stream::{Socket, TlsStream};

/// Sessions that clients may take up again without a full handshake.
const RESUMABLE_MAX: usize = 4096;

/// TLS of a server and of its dashboard: what was chosen, and what was read from the files. Shared
/// by both, it can be read again while they run.
#[derive(Debug, Default)]
pub struct Tls {
    /// One change at a time: each begins with what the one before it left.
    changing: Mutex<()>,
    /// Only the dashboard speaks TLS: there are no clients to be asked for certificates.
    is_https_only: bool,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    settings: TlsSettings,
    /// `None`: nothing speaks TLS, and no file was looked at.
    loaded: Option<Arc<Loaded>>,
}

/// What was read from the files.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// For clients that speak the Redis protocol.
    pub(crate) redis: Arc<ServerConfig>,
    /// For browsers, which are asked for no certificate.
    https: Arc<ServerConfig>,
    pub(crate) certificate: CertificateFacts,
    /// Of the authorities the one that ends first.
    pub(crate) authority: Option<CertificateFacts>,
    warnings: Vec<String>,
}

impl Tls {
    /// Reads all files.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used. That a certificate has expired is none:
    /// see [`Self::warnings`].
    pub fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        Self::load_as(settings, false)
    }

    /// The same where there is no port with TLS, and only the dashboard speaks it: who signs the
    /// certificates of clients is not looked at.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_for_https(settings: TlsSettings) -> Result<Self, TlsError> {
        Self::load_as(settings, true)
    }

    fn load_as(settings: TlsSettings, is_https_only: bool) -> Result<Self, TlsError> {
        let loaded = Some(Arc::new(Loaded::read(&settings, is_https_only)?));
        let state = RwLock::new(State { settings, loaded });
        Ok(Self { changing: Mutex::default(), is_https_only, state })
    }

    /// Keeps the settings; no file is looked at, as nothing speaks TLS.
    #[must_use]
    pub fn off(settings: TlsSettings) -> Self {
        let state = RwLock::new(State { settings, loaded: None });
        Self { changing: Mutex::default(), is_https_only: false, state }
    }

    /// Whether something speaks TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.current().is_some()
    }

    /// Reads all files again. New connections get what is in them now.
    ///
    /// # Errors
    /// As [`Self::load`]; then all stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.change(|_| Ok(()))
    }

    /// What is wrong with the times of certificates in words for people.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.current().map_or_else(Vec::new, |loaded| loaded.warnings.clone())
    }

    /// What connections by HTTPS begin with now: the same certificate, and none asked of clients.
    /// `None`: nothing speaks TLS.
    #[must_use]
    pub fn https(&self) -> Option<Arc<ServerConfig>> {
        self.current().map(|loaded| Arc::clone(&loaded.https))
    }

    /// Whether nobody gets in by TLS without a certificate.
    pub(crate) fn requires_certificates(&self) -> bool {
        let state = self.state.read();
        let is_asking = state.loaded.is_some() && !self.is_https_only;
        is_asking && state.settings.auth_clients == AuthClients::Yes
    }

    pub(crate) fn settings(&self) -> TlsSettings {
        self.state.read().settings.clone()
    }

    pub(crate) fn current(&self) -> Option<Arc<Loaded>> {
        self.state.read().loaded.clone()
    }

    /// Changes settings and reads all files anew, as far as something speaks TLS.
    ///
    /// # Errors
    /// What the change refuses, and what [`Self::load`] does; then all stays as it was.
    pub(crate) fn change<E: From<TlsError>>(
        &self,
        change: impl FnOnce(&mut TlsSettings) -> Result<(), E>,
    ) -> Result<(), E> {
        let _one = self.changing.lock();
        let mut settings = self.settings();
        change(&mut settings)?;
        let loaded = match self.is_on() {
            true => Some(Arc::new(Loaded::read(&settings, self.is_https_only)?)),
            false => None,
        };
        if let Some(loaded) = &loaded {
            loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        }
        *self.state.write() = State { settings, loaded };
        Ok(())
    }
}

impl Loaded {
    fn read(settings: &TlsSettings, is_https_only: bool) -> Result<Self, TlsError> {
        let (certificate_file, key_file) = (&settings.cert_file, &settings.key_file);
        for (setting, path) in [("tls-cert-file", certificate_file), ("tls-key-file", key_file)] {
            if path.as_os_str().is_empty() {
                return Err(TlsError::Missing { setting });
            }
        }
        let chain = certificate::read_file("tls-cert-file", certificate_file)?;
        let certificate = facts("tls-cert-file", certificate_file, &chain[0])?;
        let mut warnings: Vec<String> = certificate.warning(certificate_file).into_iter().collect();
        let key = private_key::read(key_file, &settings.key_file_pass)?;
        let provider = Arc::new(default_provider());
        let signing = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| TlsError::BadKey { path: key_file.clone(), why: error.to_string() })?;
        let certified = Arc::new(CertifiedKey::new(chain, signing));
        certified.keys_match().or_else(|error| match error {
            // Of kinds of keys that do not tell.
            rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown) => Ok(()),
            rustls::Error::InconsistentKeys(_) => Err(TlsError::KeyMismatch {
                key: key_file.clone(),
                certificate: certificate_file.clone(),
            }),
            other => Err(TlsError::BadCertificate {
                setting: "tls-cert-file",
                path: certificate_file.clone(),
                why: other.to_string(),
            }),
        })?;
        let unusable = |why: String| TlsError::Unusable { why };
        let versions = settings.versions()?;
        let begin = || {
            ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&versions)
                .map_err(|error| unusable(error.to_string()))
        };
        let resolver = || Arc::new(SingleCertAndKey::from(Arc::clone(&certified)));
        let mut https = begin()?.with_no_client_auth().with_cert_resolver(resolver());
        https.alpn_protocols = vec![b"http/1.1".to_vec()];
        let auth_clients = if is_https_only { AuthClients::No } else { settings.auth_clients };
        let (builder, authority) = if auth_clients == AuthClients::No {
            (begin()?.with_no_client_auth(), None)
        } else {
            let (roots, first) = authorities(settings, &mut warnings)?;
            warnings.extend(first.warning.clone());
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            let verifier = match auth_clients {
                AuthClients::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            let verifier = verifier.build().map_err(|error| unusable(error.to_string()))?;
            (begin()?.with_client_cert_verifier(verifier), Some(first.facts))
        };
        let mut redis = builder.with_cert_resolver(resolver());
        redis.session_storage = ServerSessionMemoryCache::new(RESUMABLE_MAX);
        let (redis, https) = (Arc::new(redis), Arc::new(https));
        Ok(Self { redis, https, certificate, authority, warnings })
    }
}

/// The authority that ends first.
struct FirstToEnd {
    facts: CertificateFacts,
    warning: Option<String>,
}

fn facts(
    setting: &'static str,
    path: &Path,
    der: &CertificateDer<'_>,
) -> Result<CertificateFacts, TlsError> {
    CertificateFacts::read(der).map_err(|why| {
        let path = path.to_owned();
        TlsError::BadCertificate { setting, path, why }
    })
}

/// Who signs the certificates of clients.
fn authorities(
    settings: &TlsSettings,
    warnings: &mut Vec<String>,
) -> Result<(RootCertStore, FirstToEnd), TlsError> {
    let (file, directory) = (&settings.ca_cert_file, &settings.ca_cert_dir);
    let mut all: Vec<(&'static str, PathBuf, CertificateDer<'static>)> = Vec::new();
    if !file.as_os_str().is_empty() {
        let setting = "tls-ca-cert-file";
        let found = certificate::read_file(setting, file)?;
        all.extend(found.into_iter().map(|it| (setting, file.clone(), it)));
    }
    if !directory.as_os_str().is_empty() {
        let setting = "tls-ca-cert-dir";
        let found = certificate::read_directory(setting, directory)?;
        warnings.extend(found.warnings);
        all.extend(found.certificates.into_iter().map(|(path, it)| (setting, path, it)));
    }
    let mut roots = RootCertStore::empty();
    let mut first: Option<FirstToEnd> = None;
    for (setting, path, der) in all {
        let facts = facts(setting, &path, &der)?;
        roots.add(der).map_err(|error| {
            let (path, why) = (path.clone(), error.to_string());
            TlsError::BadCertificate { setting, path, why }
        })?;
        if first.as_ref().is_none_or(|first| facts.ends_before(&first.facts)) {
            first = Some(FirstToEnd { warning: facts.warning(&path), facts });
        }
    }
    first.map(|first| (roots, first)).ok_or(TlsError::NoAuthorities)
}
