//! Clients by TLS: who is let in, that all is as it is without, and new certificates.

mod reload;
mod trouble;

use millstream_conformance::Authority;
use millstream_server::{AuthClients, BindAddress, Config, Server, StartError, Tls};

use crate::client::{Client, command, memory, start};
use crate::tls_place::{Place, try_connect};

#[test]
fn it_serves_like_tcp_beside_it() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let (mut plain, mut tls) = (Client::connect(&server), place.connect(&server));
    assert_eq!(tls.shown("SET k v"), "OK");
    assert_eq!(plain.shown("GET k"), "v");
    let port = server.tls_addresses()[0].port();
    let own = tls.shown("CLIENT INFO");
    assert!(
        own.contains(&format!(" laddr=127.0.0.1:{port} ")) && own.contains(" flags=N "),
        "{own}"
    );
    assert_eq!(tls.shown("CONFIG GET tls-port"), format!("[tls-port, {port}]"));
    let plain_port = server.addresses()[0].port();
    assert_eq!(plain.info("tcp_port"), plain_port.to_string());
    let binds = "bind=127.0.0.1,bind=-::1";
    assert_eq!(plain.info("listener0"), format!("name=tcp,{binds},port={plain_port}"));
    assert_eq!(plain.info("listener2"), format!("name=tls,{binds},port={port}"));
    assert_eq!(plain.info("millstream_tls_handshakes"), "1");
    assert_eq!(plain.info("millstream_tls_handshakes_failed"), "0");
    assert_ne!(plain.info("tls_server_cert_serial"), "none");
    assert_eq!(plain.info("tls_ca_cert_serial"), "none");
    let left: i64 = plain.info("tls_server_cert_expires_in_seconds").parse().expect("a number");
    assert!(left > 0, "{left}");
}

#[test]
fn replies_larger_than_any_buffer_arrive_whole_and_in_order() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let mut tls = place.connect(&server);
    let large: String = (0..400_000).map(|number| format!("{number:09}")).collect();
    assert_eq!(tls.shown(&format!("SET large {large}")), "OK");
    let mut all = Vec::new();
    for number in 0..8 {
        all.extend(command("GET large"));
        all.extend(command(&format!("ECHO {number}")));
    }
    // All are asked for before one is taken, so the server meets a socket without room.
    tls.send_bytes(&all);
    for number in 0..8 {
        assert_eq!(tls.read().as_bytes(), Some(large.as_bytes()), "{number}");
        assert_eq!(tls.read().as_str(), Some(&number.to_string()[..]));
    }
}

#[test]
fn many_small_commands_in_one_piece_are_all_answered() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let mut tls = place.connect(&server);
    let all: Vec<u8> = (0..20_000).flat_map(|_| command("INCR n")).collect();
    tls.send_bytes(&all);
    for number in 1..=20_000 {
        assert_eq!(tls.read().as_int(), Some(number));
    }
}

#[test]
fn a_blocked_reader_by_tls_is_woken_and_can_be_killed() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let (mut plain, mut tls) = (Client::connect(&server), place.connect(&server));
    tls.send("XREAD BLOCK 0 STREAMS s $");
    plain.await_info("blocked_clients", "1");
    assert_eq!(plain.shown("XADD s 1-1 a b"), "1-1");
    assert!(crate::client::show(&tls.read()).contains("1-1"));
    let id = tls.id();
    tls.send("XREAD BLOCK 0 STREAMS s $");
    plain.await_info("blocked_clients", "1");
    assert_eq!(plain.shown(&format!("CLIENT KILL ID {id}")), "1");
    // An end that was announced: any other would be an error.
    assert!(tls.read_to_end().is_empty());
}

#[test]
fn the_end_is_announced_by_quit_and_by_a_server_that_stops() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let mut leaving = place.connect(&server);
    leaving.send("QUIT");
    assert_eq!(leaving.read_to_end(), b"+OK\r\n");
    let mut staying = place.connect(&server);
    let mut blocked = place.connect(&server);
    blocked.send("XREAD BLOCK 0 STREAMS s $");
    staying.await_info("blocked_clients", "1");
    server.shutdown().expect("an orderly end");
    assert!(staying.read_to_end().is_empty() && blocked.read_to_end().is_empty());
}

#[test]
fn a_client_that_has_finished_sending_gets_its_replies() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let mut tls = place.connect(&server);
    tls.send("SET k v");
    tls.send("GET k");
    tls.stream().conn.send_close_notify();
    let mut socket = tls_socket(&mut tls);
    tls.stream().conn.write_tls(&mut socket).expect("send");
    assert_eq!(tls.read_to_end(), b"+OK\r\n$1\r\nv\r\n");
    // The same where the end is not announced: TCP alone ends.
    let mut tls = place.connect(&server);
    tls.send("GET k");
    tls.stream().sock.shutdown(std::net::Shutdown::Write).expect("shut down one side");
    assert_eq!(tls.read_to_end(), b"$1\r\nv\r\n");
}

fn tls_socket(client: &mut crate::tls_place::TlsClient) -> std::net::TcpStream {
    client.stream().sock.try_clone().expect("one more descriptor")
}

#[test]
fn certificates_of_clients_are_required_optional_or_not_asked_for() {
    let place = Place::new();
    let known = place.authority.sign("worker");
    let unknown = Authority::new().sign("worker");
    let expired = place.authority.sign_expired("worker");
    for (auth_clients, without, with_unknown) in
        [(AuthClients::Yes, false, false), (AuthClients::Optional, true, false)]
    {
        let server = start(place.config(auth_clients));
        let is_in = |own| place.try_connect_as(&server, own).is_ok();
        assert!(is_in(Some(&known)), "{auth_clients}");
        assert_eq!(is_in(None), without, "{auth_clients}");
        assert_eq!(is_in(Some(&unknown)), with_unknown, "{auth_clients}");
        assert!(!is_in(Some(&expired)), "{auth_clients}");
        let failed = Client::connect(&server).info("millstream_tls_handshakes_failed");
        assert_eq!(failed, if without { "2" } else { "3" }, "{auth_clients}");
    }
    let server = start(place.config(AuthClients::No));
    assert!(place.try_connect_as(&server, Some(&unknown)).is_ok(), "nobody looks at it");
}

#[test]
fn authorities_come_from_a_directory_too() {
    let (place, other) = (Place::new(), Authority::new());
    let directory = place.at("authorities");
    std::fs::create_dir(&directory).expect("a directory");
    std::fs::write(directory.join("README"), "no certificate").expect("write");
    std::fs::write(directory.join("a.pem"), other.pem()).expect("write");
    let mut settings = place.settings(AuthClients::Yes);
    settings.ca_cert_file = std::path::PathBuf::new();
    settings.ca_cert_dir = directory;
    let tls = std::sync::Arc::new(Tls::load(settings).expect("the files are right"));
    let server = start(Config { tls, ..place.config(AuthClients::Yes) });
    assert!(place.try_connect_as(&server, Some(&other.sign("worker"))).is_ok());
    assert!(place.try_connect_as(&server, Some(&place.authority.sign("worker"))).is_err());
}

#[test]
fn a_client_that_believes_somebody_else_does_not_come_in() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let refused = try_connect(server.tls_addresses()[0], &Authority::new(), None);
    assert!(refused.is_err());
    Client::connect(&server).await_info("millstream_tls_handshakes_failed", "1");
}

#[test]
fn certificates_alone_keep_strangers_out_of_an_open_address() {
    let place = Place::new();
    let open = |config: Config| {
        let ip = [127, 0, 0, 2].into();
        // No address of other machines, but none of the loopback that everybody has either.
        let open = BindAddress { ip: [0, 0, 0, 0].into(), is_optional: false };
        let bind = vec![open, BindAddress { ip, is_optional: true }];
        Server::check(&Config { bind, ..config })
    };
    let is_refused = |config| matches!(open(config), Err(StartError::Unprotected { .. }));
    assert!(!is_refused(Config { port: None, ..place.config(AuthClients::Yes) }));
    assert!(is_refused(Config { port: None, ..place.config(AuthClients::Optional) }));
    assert!(is_refused(Config { port: None, ..place.config(AuthClients::No) }));
    assert!(is_refused(place.config(AuthClients::Yes)), "the plain port is open");
    let requirepass = Some("secret".to_owned());
    assert!(!is_refused(Config { requirepass, ..place.config(AuthClients::No) }));
}

#[test]
fn tls_may_be_the_only_way_in() {
    let place = Place::new();
    let server = start(Config { port: None, ..place.config(AuthClients::No) });
    assert!(server.addresses().is_empty());
    let mut tls = place.connect(&server);
    assert_eq!(tls.shown("CONFIG GET port"), "[port, 0]");
    assert_eq!(tls.info("tcp_port"), server.tls_addresses()[0].port().to_string());
    assert!(!tls.shown("INFO server").contains("listener0"));
    let nothing = Server::start(Config { port: None, ..memory() });
    assert!(matches!(nothing, Err(StartError::NoAddress)));
    let without = Server::start(Config { tls_port: Some(0), ..memory() });
    assert!(without.expect_err("there is no certificate").to_string().contains("tls-cert-file"));
}

#[test]
fn the_name_in_a_certificate_is_a_user_if_that_is_said() {
    let place = Place::new();
    let server = start(place.config(AuthClients::Optional));
    let mut admin = Client::connect(&server);
    for line in ["ACL SETUSER worker on >pw ~jobs +@all", "ACL SETUSER retired off >pw ~jobs +@all"]
    {
        assert_eq!(admin.shown(line), "OK");
    }
    let come_in = |name: &str| {
        let own = place.authority.sign(name);
        let mut client = place.try_connect_as(&server, Some(&own)).expect("it is let in");
        client.shown("ACL WHOAMI")
    };
    assert_eq!(come_in("worker"), "default");
    assert_eq!(admin.shown("CONFIG SET tls-auth-clients-user cn"), "OK");
    assert_eq!(admin.shown("CONFIG GET tls-auth-clients-user"), "[tls-auth-clients-user, CN]");
    assert_eq!(come_in("worker"), "worker");
    assert_eq!(come_in("retired"), "default");
    assert_eq!(come_in("nobody"), "default");
    assert_eq!(admin.info("acl_access_denied_tls_cert"), "2");
    // Without a certificate it is as ever, and rules are those of the user.
    assert_eq!(place.connect(&server).shown("ACL WHOAMI"), "default");
    let own = place.authority.sign("worker");
    let mut worker = place.try_connect_as(&server, Some(&own)).expect("it is let in");
    assert_eq!(worker.shown("XLEN jobs"), "0");
    assert_eq!(worker.shown("XLEN other"), "NOPERM No permissions to access a key");
    assert!(admin.shown("CLIENT LIST").contains(" user=worker "));
    // Whose user goes, goes, too.
    assert_eq!(admin.shown("ACL DELUSER worker"), "1");
    assert!(worker.read_to_end().is_empty());
}
