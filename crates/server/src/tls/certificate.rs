//! Certificates: from their files, and what is to be read in them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::{TlsError, small_file};

/// A certificate that ends so soon is worth a warning.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What people want to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    /// In hexadecimal digits.
    pub(crate) serial: String,
    not_before: SystemTime,
    not_after: SystemTime,
    /// The same as it is shown.
    not_after_shown: String,
    not_before_shown: String,
}

impl CertificateFacts {
    pub(super) fn read(der: &[u8]) -> Result<Self, String> {
        let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
        let certificate = certificate.tbs_certificate();
        let serial = certificate.serial_number().as_bytes();
        let validity = certificate.validity();
        Ok(Self {
            serial: serial.iter().map(|byte| format!("{byte:02X}")).collect(),
            not_before: validity.not_before.to_system_time(),
            not_after: validity.not_after.to_system_time(),
            not_after_shown: validity.not_after.to_date_time().to_string(),
            not_before_shown: validity.not_before.to_date_time().to_string(),
        })
    }

    /// Negative once it is over.
    pub(crate) fn expires_in_s(&self) -> i64 {
        let seconds = |it: Duration| i64::try_from(it.as_secs()).unwrap_or(i64::MAX);
        match self.not_after.duration_since(SystemTime::now()) {
            Ok(left) => seconds(left),
            Err(over) => -seconds(over.duration()),
        }
    }

    /// What is wrong with its time, for people; `None`: nothing.
    pub(super) fn warning(&self, path: &Path) -> Option<String> {
        let now = SystemTime::now();
        let path = path.display();
        let until = &self.not_after_shown;
        if self.not_after < now {
            return Some(format!("the certificate in {path} expired at {until}"));
        }
        if self.not_before > now {
            let from = &self.not_before_shown;
            return Some(format!("the certificate in {path} is not valid before {from}"));
        }
        let is_soon = self.not_after < now + SOON;
        is_soon.then(|| format!("the certificate in {path} expires at {until}"))
    }

    pub(super) fn ends_before(&self, other: &Self) -> bool {
        self.not_after < other.not_after
    }
}

/// The common name (CN) of whom a certificate is for.
pub(crate) fn common_name(der: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(der).ok()?;
    let name = certificate.tbs_certificate().subject().common_name().ok()??;
    Some(name.value().into_owned())
}

/// All certificates of a file, at least one.
pub(super) fn read_file(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = small_file::read(path).map_err(|source| {
        let path = path.to_owned();
        TlsError::Read { setting, path, source }
    })?;
    let certificates =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|error| {
            let (path, why) = (path.to_owned(), error.to_string());
            TlsError::BadCertificate { setting, path, why }
        })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { setting, path: path.to_owned() });
    }
    Ok(certificates)
}

fn is_closed(error: &TlsError) -> bool {
    matches!(error, TlsError::Read { source, .. } if source.kind() == ErrorKind::PermissionDenied)
}

/// The certificates of the files of a directory.
pub(super) struct Found {
    /// At least one, with the files that they are in.
    pub(super) certificates: Vec<(PathBuf, CertificateDer<'static>)>,
    /// What was passed over though it may have some, for people.
    pub(super) warnings: Vec<String>,
}

/// All certificates of the files of a directory, at least one; other files may be there, too, and
/// such as may not be read.
pub(super) fn read_directory(setting: &'static str, directory: &Path) -> Result<Found, TlsError> {
    let unreadable = |path: &Path, source| {
        let path = path.to_owned();
        TlsError::Read { setting, path, source }
    };
    let list = fs::read_dir(directory).map_err(|source| unreadable(directory, source))?;
    let mut certificates = Vec::new();
    let mut closed = Vec::new();
    for file in list {
        let path = file.map_err(|source| unreadable(directory, source))?.path();
        // Links, as `openssl rehash` makes them, lead to files.
        if !path.is_file() {
            continue;
        }
        match read_file(setting, &path) {
            Ok(all) => certificates.extend(all.into_iter().map(|it| (path.clone(), it))),
            Err(TlsError::NoCertificate { .. }) => {}
            Err(error) if is_closed(&error) => closed.push(error),
            Err(error) => return Err(error),
        }
    }
    if certificates.is_empty() {
        let none = TlsError::NoCertificate { setting, path: directory.to_owned() };
        return Err(closed.into_iter().next().unwrap_or(none));
    }
    let warnings = closed.iter().map(|error| format!("passed over: {error}")).collect();
    Ok(Found { certificates, warnings })
}
