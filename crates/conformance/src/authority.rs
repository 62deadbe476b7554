//! Certificates for tests by TLS.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// Somebody who signs certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one, whom nobody believes who does not have its certificate.
    ///
    /// # Panics
    /// There is no randomness.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("it signs itself"))
    }

    /// Its certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs a certificate for a server or client of this name or address, which is its CN, too.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn sign(&self, name: &str) -> Signed {
        self.sign_as(name, |_| ())
    }

    /// Signs one that expired long ago.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn sign_expired(&self, name: &str) -> Signed {
        self.sign_as(name, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        })
    }

    fn sign_as(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("it signs").pem();
        Signed { certificate, key: key.serialize_pem() }
    }
}

impl Signed {
    /// Writes both into a directory, as `NAME.crt` and `NAME.key`; returns where they are.
    ///
    /// # Panics
    /// They cannot be written.
    #[must_use]
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let place = |ending: &str| directory.join(format!("{name}.{ending}"));
        let (certificate, key) = (place("crt"), place("key"));
        fs::write(&certificate, &self.certificate).expect("write a certificate");
        fs::write(&key, &self.key).expect("write a key");
        (certificate, key)
    }
}
