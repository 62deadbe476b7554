//! Certificates: which authorities are believed, and who we are.

use redis::ConnectionInfo;

use super::address::none;
use crate::{ConnectOptions, Error};

/// With what the options say about certificates.
///
/// # Errors
/// [`Error::Configuration`]: they are none, or the address is one without TLS.
#[cfg(feature = "tls")]
pub(super) fn secure(
    info: ConnectionInfo,
    options: &ConnectOptions,
) -> Result<ConnectionInfo, Error> {
    if matches!(info.addr(), redis::ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err(none("certificates are always looked at: say which authorities are believed"));
    }
    let is_tls = matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. });
    let ConnectOptions { authorities, identity, .. } = options;
    if is_tls {
        // Of a program that has several the choice is its own; of one that has made none, this.
        _ = rustls::crypto::ring::default_provider().install_default();
    }
    if authorities.is_none() && identity.is_none() {
        return Ok(info);
    }
    if !is_tls {
        return Err(none("certificates are for one that begins with rediss or valkeys"));
    }
    authorities.as_deref().map_or(Ok(()), check_certificates)?;
    identity.as_ref().map_or(Ok(()), |identity| check_certificates(&identity.certificate))?;
    let client_tls = identity.as_ref().map(|identity| redis::ClientTlsConfig {
        client_cert: identity.certificate.clone(),
        client_key: identity.key.clone(),
    });
    let certificates = redis::TlsCertificates { client_tls, root_cert: authorities.clone() };
    let client = redis::Client::build_with_tls(info, certificates).map_err(unusable)?;
    Ok(client.get_connection_info().clone())
}

#[cfg(feature = "tls")]
fn unusable(reason: impl std::fmt::Display) -> Error {
    Error::Configuration(format!("the certificates or the key cannot be used: {reason}"))
}

/// Text without any would be taken for none, and nobody believed.
#[cfg(feature = "tls")]
fn check_certificates(pem: &[u8]) -> Result<(), Error> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(unusable)?;
        count += 1;
    }
    if count == 0 { Err(unusable("there is no certificate in the PEM")) } else { Ok(()) }
}

/// Without TLS.
#[cfg(not(feature = "tls"))]
pub(super) fn secure(
    info: ConnectionInfo,
    options: &ConnectOptions,
) -> Result<ConnectionInfo, Error> {
    if options.authorities.is_some() || options.identity.is_some() {
        return Err(none("certificates need the feature tls of this crate"));
    }
    Ok(info)
}
