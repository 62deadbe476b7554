//! The toolkit by TLS: whom it believes, and who it says that it is. Servers are reached through a
//! proxy that ends TLS, as most servers in the field are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::{ConnectOptions, Error, Fields, Millstream};
use millstream_conformance::{Authority, Cluster, Program, SERVICE, Sentinels, Server, Signed};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::place::{Place, Running, Seen, until};
use crate::suite::exercise_with;
use crate::trouble::runtime;

const PASSWORD: &str = "secret";
/// The first byte of whoever begins TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// Ends TLS in front of this server, as long as the runtime lives; returns the port. `clients`:
/// who signs theirs, if they must show a certificate.
async fn proxy(server: u16, own: &Signed, clients: Option<&Authority>) -> u16 {
    let acceptor = acceptor(own, clients);
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(end_tls(client, acceptor.clone(), server));
        }
    });
    port
}

/// The same for servers that say that this is their port, to each other, too: those speak no TLS,
/// and are let through. `strays` counts clients of the toolkit among them.
async fn front(server: u16, own: &Signed, strays: Arc<AtomicUsize>) -> u16 {
    let acceptor = acceptor(own, None);
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, strays) = (acceptor.clone(), Arc::clone(&strays));
            tokio::spawn(async move {
                let mut first = [0; 256];
                let count = client.peek(&mut first).await.unwrap_or(0);
                if first[0] == TLS_HANDSHAKE {
                    return end_tls(client, acceptor, server).await;
                }
                let is_ours = first[..count].windows(7).any(|some| some == b"SETINFO");
                strays.fetch_add(usize::from(is_ours), Ordering::Relaxed);
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else {
                    return;
                };
                _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    (listener, port)
}

async fn end_tls(client: TcpStream, acceptor: TlsAcceptor, server: u16) {
    // Whoever is refused notices.
    let Ok(mut client) = acceptor.accept(client).await else { return };
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    _ = copy_bidirectional(&mut client, &mut server).await;
}

fn acceptor(own: &Signed, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let config = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let der = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM");
            roots.add(der).expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().expect("it can verify"))
        }
        None => config.with_no_client_auth(),
    };
    let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("PEM");
    let config = config.with_single_cert(vec![certificate], key).expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

fn start() -> Server {
    let program = Program::millstream().expect("find the server");
    Server::start_with(&program, &["--requirepass", PASSWORD]).expect("start the server")
}

fn options(port: u16) -> ConnectOptions {
    ConnectOptions::new(format!("rediss://:{PASSWORD}@127.0.0.1:{port}"))
}

fn why(connected: Result<Millstream, Error>) -> String {
    match connected {
        Err(error @ Error::Connection(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_works_by_tls_and_believes_its_own_authority_only() {
    let server = start();
    runtime().block_on(async {
        let authority = Authority::new();
        let port = proxy(server.port(), &authority.sign("127.0.0.1"), None).await;
        let right = options(port).tls_authorities(authority.pem());
        let place = Place::new(right.connect().await.expect("connect"), "tls");
        let seen = Seen::default();
        let consumer = place.builder("c1").build().await.expect("a consumer");
        let running = Running::noting(consumer, &seen);
        place.add(0..50).await;
        seen.wait_for(50).await;
        place.wait_until_nothing_is_pending().await;
        running.stop().await;

        let other = options(port).tls_authorities(Authority::new().pem());
        let text = why(other.connect().await);
        assert!(text.contains("invalid peer certificate"), "{text}");
        let text = why(options(port).connect().await);
        assert!(text.contains("invalid peer certificate: UnknownIssuer"), "{text}");

        let port = proxy(server.port(), &authority.sign("elsewhere.example"), None).await;
        let text = why(options(port).tls_authorities(authority.pem()).connect().await);
        assert!(text.contains("not valid for name"), "{text}");
    });
}

#[test]
fn a_server_may_want_to_see_a_certificate() {
    let server = start();
    runtime().block_on(async {
        let (authority, of_clients) = (Authority::new(), Authority::new());
        let own = authority.sign("127.0.0.1");
        let port = proxy(server.port(), &own, Some(&of_clients)).await;
        let options = options(port).tls_authorities(authority.pem());
        let Signed { certificate, key } = of_clients.sign("worker");
        let known = options.clone().tls_identity(certificate, key);
        let millstream = known.connect().await.expect("connect");
        millstream.add("s", &Fields::new().with("n", "1")).await.expect("add");
        let text = why(options.connect().await);
        assert!(text.contains("CertificateRequired"), "{text}");
        let Signed { certificate, key } = authority.sign("worker");
        why(options.tls_identity(certificate, key).connect().await);
    });
}

#[test]
fn a_wrong_password_is_refused_and_what_is_no_certificate_is_none() {
    let server = start();
    runtime().block_on(async {
        let authority = Authority::new();
        let port = proxy(server.port(), &authority.sign("127.0.0.1"), None).await;
        let refused = |connected: Result<Millstream, Error>| match connected {
            Err(error @ Error::Refused { .. }) => {
                assert!(!error.is_temporary(), "{error}");
                error.to_string()
            }
            other => panic!("{other:?}"),
        };
        for (user, code) in
            [(":wrong@", "WRONGPASS"), ("nobody:wrong@", "WRONGPASS"), ("", "NOAUTH")]
        {
            let tls = ConnectOptions::new(format!("valkeys://{user}127.0.0.1:{port}"));
            let text = refused(tls.tls_authorities(authority.pem()).connect().await);
            assert!(text.contains(code), "{text}");
            let plain = format!("redis://{user}127.0.0.1:{}", server.port());
            let text = refused(Millstream::connect(&plain).await);
            assert!(text.contains(code), "{text}");
        }
        let signed = authority.sign("worker");
        for wrong in [
            options(port).tls_authorities("nonsense"),
            options(port).tls_identity("nonsense", signed.key.clone()),
            options(port).tls_identity(signed.certificate.clone(), "nonsense"),
            ConnectOptions::new(format!("redis://127.0.0.1:{}", server.port()))
                .tls_authorities(authority.pem()),
        ] {
            let refused = wrong.connect().await;
            assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
        }
        // The other side speaks no TLS, and says nothing that is.
        let plain = options(server.port()).tls_authorities(authority.pem());
        let limit = Duration::from_secs(20);
        why(tokio::time::timeout(limit, plain.connect()).await.expect("it does not hang"));
    });
}

#[test]
fn on_a_cluster_behind_tls_with_a_password() {
    let Some(program) = Program::peer("valkey-9.1").expect("find the server") else { return };
    let runtime = runtime();
    let (authority, strays) = (Authority::new(), Arc::new(AtomicUsize::new(0)));
    let own = authority.sign("127.0.0.1");
    let arguments = ["--requirepass", PASSWORD, "--masterauth", PASSWORD];
    let cluster = Cluster::start_behind(&program, 3, &arguments, |port| {
        runtime.block_on(front(port, &own, Arc::clone(&strays)))
    });
    let cluster = cluster.expect("start the Cluster");
    let url = format!("rediss+cluster://:{PASSWORD}@{}", cluster.hosts());
    let options = ConnectOptions::new(url).tls_authorities(authority.pem());
    exercise_with(async |name| {
        Place::new(options.connect().await.expect("connect"), &format!("{{{name}}}"))
    });
    // Slots move and replicas take over by the same addresses.
    let (stream, seen) = ("moving", Seen::default());
    let (place, running) = runtime.block_on(async {
        let place = Place::new(options.connect().await.expect("connect"), stream);
        let consumer = place.builder("c1").build().await.expect("a consumer");
        (place, Running::noting(consumer, &seen))
    });
    runtime.block_on(place.add(0..10));
    let (slot, from) = (cluster.slot_of(stream).expect("a slot"), cluster.owner_of(stream));
    let from = from.expect("an owner");
    let to = (from + 1) % 3;
    let adding = |_| _ = runtime.block_on(place.add(10..15));
    cluster.move_slot(slot, from, to, adding).expect("moves it");
    cluster.fail_over_to(cluster.replica_of(to).expect("a replica")).expect("it takes over");
    runtime.block_on(async {
        place.add(20..30).await;
        until("all are handled", async || {
            let all = seen.all();
            (0..15).chain(20..30).all(|number| all.iter().any(|(n, _)| *n == number.to_string()))
        })
        .await;
        running.stop().await;
    });
    assert_eq!(strays.load(Ordering::Relaxed), 0, "all came by TLS");
}

#[test]
fn a_worker_follows_the_master_by_tls_with_a_password() {
    let Some(program) = Program::peer("valkey-9.1").expect("find the server") else { return };
    let runtime = runtime();
    let (authority, strays) = (Authority::new(), Arc::new(AtomicUsize::new(0)));
    let own = authority.sign("127.0.0.1");
    let before = |port| runtime.block_on(front(port, &own, Arc::clone(&strays)));
    let sentinels = Sentinels::start_behind(&program, Some(PASSWORD), before);
    let mut sentinels = sentinels.expect("start Sentinels and servers");
    let hosts = sentinels.ports().into_iter().map(|port| format!("127.0.0.1:{}", before(port)));
    let hosts = hosts.collect::<Vec<_>>().join(",");
    let url = format!("rediss+sentinel://default:{PASSWORD}@{hosts}/{SERVICE}");
    let options = ConnectOptions::new(url).tls_authorities(authority.pem());
    let options = options.sentinel_credentials(None, PASSWORD);
    let seen = Seen::default();
    let (place, running) = runtime.block_on(async {
        let place = Place::new(options.connect().await.expect("connect"), "followed");
        let consumer = place.builder("c1").build().await.expect("a consumer");
        let running = Running::noting(consumer, &seen);
        place.add(0..10).await;
        seen.wait_for(10).await;
        (place, running)
    });
    let master = sentinels.master(Some(PASSWORD)).expect("a master");
    sentinels.server_mut(master).kill().expect("kill it");
    sentinels.wait_for_master(1 - master, Some(PASSWORD)).expect("the other one takes over");
    runtime.block_on(async {
        let added = async || {
            place.millstream.add("followed", &Fields::new().with("n", "after")).await.is_ok()
        };
        until("it is added", added).await;
        until("it is handled", async || seen.all().iter().any(|(n, _)| n == "after")).await;
        running.stop().await;
    });
    assert_eq!(strays.load(Ordering::Relaxed), 0, "all came by TLS");
}
