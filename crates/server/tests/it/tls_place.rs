//! Certificates in files, servers with them, and clients by TLS.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use millstream_conformance::{Authority, Signed};
use millstream_server::{AuthClients, Config, RunningServer, Tls, TlsSettings};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{Client, connect_to, memory};

pub(crate) type TlsConnection = StreamOwned<ClientConnection, TcpStream>;
pub(crate) type TlsClient = Client<TlsConnection>;

/// A directory with the certificate of a server, and who signed it.
pub(crate) struct Place {
    pub(crate) authority: Authority,
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self {
            authority: Authority::new(),
            directory: tempfile::tempdir().expect("a directory"),
        };
        place.write(&place.authority.sign("127.0.0.1"));
        std::fs::write(place.at("ca.crt"), place.authority.pem()).expect("write");
        place
    }

    /// Replaces the certificate of the server.
    pub(crate) fn write(&self, signed: &Signed) {
        let _ = signed.write(self.directory.path(), "server");
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn settings(&self, auth_clients: AuthClients) -> TlsSettings {
        TlsSettings {
            cert_file: self.at("server.crt"),
            key_file: self.at("server.key"),
            ca_cert_file: self.at("ca.crt"),
            auth_clients,
            ..TlsSettings::default()
        }
    }

    /// On a port with TLS, and one without.
    pub(crate) fn config(&self, auth_clients: AuthClients) -> Config {
        let tls = Tls::load(self.settings(auth_clients)).expect("the files are right");
        Config { tls_port: Some(0), tls: Arc::new(tls), ..memory() }
    }

    /// A client that believes this authority.
    pub(crate) fn connect(&self, server: &RunningServer) -> TlsClient {
        try_connect(server.tls_addresses()[0], &self.authority, None).expect("it is let in")
    }

    /// The same with a certificate.
    pub(crate) fn try_connect_as(
        &self,
        server: &RunningServer,
        own: Option<&Signed>,
    ) -> io::Result<TlsClient> {
        try_connect(server.tls_addresses()[0], &self.authority, own)
    }
}

/// Shakes hands, and waits for the server's judgement of the client: with TLS 1.3 it comes later.
pub(crate) fn try_connect(
    address: SocketAddr,
    authority: &Authority,
    own: Option<&Signed>,
) -> io::Result<TlsClient> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&authority.pem())).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match own {
        Some(Signed { certificate: own, key }) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
            config.with_client_auth_cert(vec![certificate(own)], key).expect("they fit")
        }
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = StreamOwned::new(connection, connect_to(address));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    io::Write::write_all(&mut stream, b"PING\r\n")?;
    let mut answer = [0; 7];
    match stream.read(&mut answer)? {
        0 => Err(io::ErrorKind::ConnectionAborted.into()),
        count => {
            stream.read_exact(&mut answer[count..])?;
            Ok(Client::over(stream))
        }
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")
}
