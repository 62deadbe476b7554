//! The section on TLS. Valkey's names where it has one.

use std::sync::atomic::Ordering;

use super::lines;
use crate::shared::Shared;
use crate::tls::CertificateFacts;

pub(super) fn section(shared: &Shared) -> String {
    let loaded = shared.config.tls.current();
    let certificate = loaded.as_ref().map(|loaded| &loaded.certificate);
    let authority = loaded.as_ref().and_then(|loaded| loaded.authority.as_ref());
    let handshakes = &shared.handshakes;
    lines(&[
        ("tls_server_cert_serial", serial(certificate)),
        ("tls_server_cert_expires_in_seconds", expiry(certificate)),
        // Of connections to other servers, of which there are none.
        ("tls_client_cert_serial", serial(None)),
        ("tls_client_cert_expires_in_seconds", expiry(None)),
        ("tls_ca_cert_serial", serial(authority)),
        ("tls_ca_cert_expires_in_seconds", expiry(authority)),
        ("millstream_tls_handshakes", handshakes.done.load(Ordering::Relaxed).to_string()),
        ("millstream_tls_handshakes_failed", handshakes.failed.load(Ordering::Relaxed).to_string()),
        (
            "millstream_tls_handshakes_running",
            handshakes.running.load(Ordering::Relaxed).to_string(),
        ),
    ])
}

fn serial(facts: Option<&CertificateFacts>) -> String {
    facts.map_or_else(|| "none".to_owned(), |facts| facts.serial.clone())
}

fn expiry(facts: Option<&CertificateFacts>) -> String {
    facts.map_or(0, CertificateFacts::expires_in_s).to_string()
}
