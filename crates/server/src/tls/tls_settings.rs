//! What is chosen about TLS, under Redis' names.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::TlsError;

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthClients {
    /// They need not, and are not asked to.
    No,
    /// They must.
    #[default]
    Yes,
    /// They need not, but one that is shown has to be right.
    Optional,
}

impl AuthClients {
    /// All of them.
    pub(crate) const WORDS: [&str; 3] = ["no", "yes", "optional"];

    /// The word for it, as in Redis' `tls-auth-clients`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Optional => "optional",
        }
    }
}

impl fmt::Display for AuthClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for AuthClients {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::No, Self::Yes, Self::Optional]
            .into_iter()
            .find(|it| it.word().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("'{text}' is none of {}", Self::WORDS.join(", ")))
    }
}

/// What is chosen about TLS. An empty path or text is one that was not given.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The server's certificate, with those between it and its authority (PEM).
    pub cert_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// What the key is encrypted with.
    pub key_file_pass: String,
    /// Who signs the certificates of clients (PEM).
    pub ca_cert_file: PathBuf,
    /// The same, as a directory of such files.
    pub ca_cert_dir: PathBuf,
    /// Whether clients must show a certificate.
    pub auth_clients: AuthClients,
    /// Which versions are spoken, such as `TLSv1.2 TLSv1.3`; empty: both.
    pub protocols: String,
}

impl fmt::Debug for TlsSettings {
    /// Without the passphrase.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("cert_file", &self.cert_file)
            .field("key_file", &self.key_file)
            .field("ca_cert_file", &self.ca_cert_file)
            .field("ca_cert_dir", &self.ca_cert_dir)
            .field("auth_clients", &self.auth_clients)
            .field("protocols", &self.protocols)
            .finish_non_exhaustive()
    }
}

impl TlsSettings {
    /// The value of a setting by the name that CONFIG knows it by; `None`: it is no such setting.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        Some(match name {
            "tls-auth-clients" => self.auth_clients.to_string(),
            "tls-ca-cert-dir" => path(&self.ca_cert_dir),
            "tls-ca-cert-file" => path(&self.ca_cert_file),
            "tls-cert-file" => path(&self.cert_file),
            "tls-key-file" => path(&self.key_file),
            "tls-key-file-pass" => self.key_file_pass.clone(),
            "tls-protocols" => self.protocols.clone(),
            _ => return None,
        })
    }

    /// Changes a setting by the name that CONFIG knows it by; others are left alone.
    pub(crate) fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name {
            "tls-auth-clients" => self.auth_clients = text.parse()?,
            "tls-ca-cert-dir" => self.ca_cert_dir = text.into(),
            "tls-ca-cert-file" => self.ca_cert_file = text.into(),
            "tls-cert-file" => self.cert_file = text.into(),
            "tls-key-file" => self.key_file = text.into(),
            "tls-key-file-pass" => text.clone_into(&mut self.key_file_pass),
            "tls-protocols" => text.clone_into(&mut self.protocols),
            _ => {}
        }
        Ok(())
    }

    /// The versions that are spoken.
    pub(super) fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
        let words = self.protocols.split([' ', ',']).filter(|word| !word.is_empty());
        let version = |word: &str| match &word.to_ascii_lowercase()[..] {
            "tlsv1.2" => Ok(&TLS12),
            "tlsv1.3" => Ok(&TLS13),
            _ => Err(TlsError::Protocol { word: word.to_owned() }),
        };
        let versions = words.map(version).collect::<Result<Vec<_>, _>>()?;
        Ok(if versions.is_empty() { vec![&TLS13, &TLS12] } else { versions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_as_redis_names_them() {
        let versions = |text: &str| {
            let settings = TlsSettings { protocols: text.to_owned(), ..TlsSettings::default() };
            settings.versions().map(|it| it.iter().map(|it| it.version).collect::<Vec<_>>())
        };
        assert_eq!(versions("").map(|it| it.len()).ok(), Some(2));
        assert_eq!(versions("TLSv1.2 tlsv1.3").map(|it| it.len()).ok(), Some(2));
        assert_eq!(versions("TLSv1.3").ok(), Some(vec![rustls::ProtocolVersion::TLSv1_3]));
        let error = versions("TLSv1.1").expect_err("it is too old").to_string();
        assert!(error.contains("TLSv1.1"), "{error}");
    }

    #[test]
    fn a_passphrase_is_in_no_log() {
        let settings =
            TlsSettings { key_file_pass: "hunter2".to_owned(), ..TlsSettings::default() };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
