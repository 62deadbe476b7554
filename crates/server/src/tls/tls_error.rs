//! Why TLS cannot be as it was asked for.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

/// TLS cannot be as it was asked for. Whatever was in force before still is.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A setting is needed and was not given.
    Missing {
        /// Its name.
        setting: &'static str,
    },
    /// Clients must or may show certificates, and nobody was named who signs them.
    NoAuthorities,
    /// A file or directory cannot be read.
    Read {
        /// The setting that names it.
        setting: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no certificate in a file or directory.
    NoCertificate {
        /// The setting that names it.
        setting: &'static str,
        /// Which one.
        path: PathBuf,
    },
    /// A certificate in a file is none.
    BadCertificate {
        /// The setting that names it.
        setting: &'static str,
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no key in a file that can be used.
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key is that of another certificate.
    KeyMismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// A version of TLS does not exist, or is too old.
    Protocol {
        /// As it was written.
        word: String,
    },
    /// What is right by itself does not go together.
    Unusable {
        /// What is wrong.
        why: String,
    },
}

impl TlsError {
    /// The setting that it is about.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            Self::Missing { setting }
            | Self::Read { setting, .. }
            | Self::NoCertificate { setting, .. }
            | Self::BadCertificate { setting, .. } => setting,
            Self::NoAuthorities => "tls-ca-cert-file",
            Self::BadKey { .. } | Self::KeyMismatch { .. } => "tls-key-file",
            Self::Protocol { .. } => "tls-protocols",
            Self::Unusable { .. } => "tls-cert-file",
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { setting } => write!(f, "TLS needs {setting}, and it was not given"),
            Self::NoAuthorities => f.write_str(
                "clients have to show certificates, and nobody was named who signs them: give \
                 tls-ca-cert-file or tls-ca-cert-dir, or say tls-auth-clients no",
            ),
            Self::Read { setting, path, source } => {
                write!(f, "{setting}: cannot read {}: {source}", path.display())
            }
            Self::NoCertificate { setting, path } => {
                write!(f, "{setting}: there is no certificate (PEM) in {}", path.display())
            }
            Self::BadCertificate { setting, path, why } => {
                write!(f, "{setting}: a certificate in {} cannot be used: {why}", path.display())
            }
            Self::BadKey { path, why } => write!(f, "tls-key-file: {}: {why}", path.display()),
            Self::KeyMismatch { key, certificate } => write!(
                f,
                "tls-key-file: the key in {} is not the one of the certificate in {}",
                key.display(),
                certificate.display()
            ),
            Self::Protocol { word } => {
                write!(f, "tls-protocols: {word:?} is neither TLSv1.2 nor TLSv1.3")
            }
            Self::Unusable { why } => write!(f, "TLS cannot be set up: {why}"),
        }
    }
}

impl Error for TlsError {
    // Its text has it already.
}
