//! Servers that are reached by TLS, which a proxy in front of them ends.

use std::fs;
use std::sync::Arc;
use std::thread;

use millstream_conformance::{Authority, Signed};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::place::Place;

/// Wants to see a certificate of the same authority.
fn acceptor(authority: &Authority) -> TlsAcceptor {
    let own = authority.sign("127.0.0.1");
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    let der = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM");
    roots.add(der).expect("a certificate");
    let roots = Arc::new(roots);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let config = config.with_client_cert_verifier(verifier.build().expect("it can verify"));
    let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("PEM");
    let config = config.with_single_cert(vec![certificate], key).expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

/// Ends TLS in front of the server for as long as the test runs; returns the port.
fn proxy(server: u16, acceptor: TlsAcceptor) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    listener.set_nonblocking(true).expect("it can be");
    let serve = async move {
        let listener = TcpListener::from_std(listener).expect("a listener");
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever is refused notices.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server =
                    TcpStream::connect(("127.0.0.1", server)).await.expect("it is there");
                _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    thread::spawn(move || runtime.block_on(serve));
    port
}

#[test]
fn certificates_are_checked_and_shown() {
    let place = Place::start("millstream").expect("it is there");
    place.redis("XADD s 1-1 n 1");
    let authority = Authority::new();
    let port = proxy(place.server.port(), acceptor(&authority));
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("write");
        path.to_str().expect("UTF-8").to_owned()
    };
    let Signed { certificate, key } = authority.sign("somebody");
    let ca = file("ca.pem", &authority.pem());
    let other_ca = file("other.pem", &Authority::new().pem());
    let (certificate, key) = (file("cert.pem", &certificate), file("key.pem", &key));
    let run = |url: &str, options: &[&str]| {
        let line = ["stream", "info", "s", "--json", "--url", url];
        let words: Vec<&[u8]> = line.iter().chain(options).map(|it| it.as_bytes()).collect();
        place.run_words(&words)
    };
    let by_tls = format!("rediss://127.0.0.1:{port}");
    let identity = ["--tls-cert", &certificate, "--tls-key", &key];
    let with_ca = |path| [["--tls-ca", path].as_slice(), &identity].concat();
    let length = run(&by_tls, &with_ca(&ca)).json()["length"].clone();
    assert_eq!(length, 1);
    // Neither an unknown authority is believed, nor one that the system does not know.
    for options in [&with_ca(&other_ca)[..], &identity] {
        let said = run(&by_tls, options).failure(1);
        assert!(said.contains("invalid peer certificate"), "{said}");
    }
    let said = run(&by_tls, &["--tls-ca", &ca]).failure(1);
    assert!(said.contains("the server cannot be reached"), "{said}");
    // What makes no sense is told before anything is sent.
    let said = run(&by_tls, &["--tls-ca", "/nowhere.pem"]).failure(2);
    assert!(said.contains("cannot read /nowhere.pem"), "{said}");
    let said = run(&place.url(), &["--tls-ca", &ca]).failure(2);
    assert!(said.contains("rediss://"), "{said}");
    let said = run(&by_tls, &["--tls-cert", &certificate]).failure(2);
    assert!(said.contains("--tls-key"), "{said}");
    // With two servers they are for the one that has TLS.
    let options = with_ca(&ca);
    let line = ["export", "s", "--as", "copy", "--json", "--to", &by_tls];
    let words: Vec<&[u8]> = line.iter().chain(&options).map(|it| it.as_bytes()).collect();
    assert_eq!(place.run_words(&words).json()["entries"], 1);
    assert_eq!(run(&by_tls, &options).json()["length"], 1);
}
