//! Clients that do not shake hands, and those beside them.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use millstream_server::{AuthClients, Config};

use crate::client::{Client, connect_to, start};
use crate::tls_place::Place;

#[test]
fn who_speaks_no_tls_is_closed_and_counted() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let mut stream = connect_to(server.tls_addresses()[0]);
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").expect("send");
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(!said.windows(4).any(|some| some == b"PONG"), "{said:?}");
    let mut plain = Client::connect(&server);
    plain.await_info("millstream_tls_handshakes_failed", "1");
    assert_eq!(plain.info("connected_clients"), "1");
}

#[test]
fn who_stays_silent_is_closed_in_time_and_holds_nobody_up() {
    let place = Place::new();
    let tls_handshake_timeout = Duration::from_millis(300);
    let server = start(Config { tls_handshake_timeout, ..place.config(AuthClients::No) });
    let address = server.tls_addresses()[0];
    let mut silent: Vec<_> = (0..200).map(|_| connect_to(address)).collect();
    // Half of a first message.
    silent[0].write_all(&[0x16, 0x03, 0x01, 0x02]).expect("send");
    assert_eq!(place.connect(&server).shown("ECHO hi"), "hi");
    for stream in &mut silent {
        assert_eq!(stream.read(&mut [0; 64]).expect("an end"), 0);
    }
    let mut tls = place.connect(&server);
    tls.await_info("millstream_tls_handshakes_failed", "200");
    tls.await_info("millstream_tls_handshakes_running", "0");
    assert_eq!(tls.info("millstream_tls_handshakes"), "2");
}

#[test]
fn more_silent_clients_than_there_are_places_hold_nobody_up_for_long() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let address = server.tls_addresses()[0];
    let silent: Vec<_> = (0..1100).map(|_| connect_to(address)).collect();
    assert_eq!(place.connect(&server).shown("ECHO hi"), "hi");
    drop(silent);
}

#[test]
fn one_connection_too_many_is_closed() {
    let place = Place::new();
    let server = start(Config { maxclients: 1, ..place.config(AuthClients::No) });
    let mut first = place.connect(&server);
    assert!(place.try_connect_as(&server, None).is_err());
    first.await_info("rejected_connections", "1");
}

#[test]
fn damaged_bytes_end_a_connection_and_no_other() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let (mut other, mut damaged) = (place.connect(&server), place.connect(&server));
    other.await_info("connected_clients", "2");
    damaged.stream().sock.write_all(&[0x17, 0x03, 0x03, 0x00, 0x20]).expect("send");
    damaged.stream().sock.write_all(&[7; 32]).expect("send");
    other.await_info("connected_clients", "1");
}

#[test]
fn a_server_stops_while_hands_are_being_shaken() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let mut silent = connect_to(server.tls_addresses()[0]);
    Client::connect(&server).await_info("millstream_tls_handshakes_running", "1");
    server.shutdown().expect("an orderly end");
    assert_eq!(silent.read(&mut [0; 64]).expect("an end"), 0);
}
