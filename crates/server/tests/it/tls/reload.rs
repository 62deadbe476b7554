//! Files that are wrong, and new ones while the server runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use millstream_conformance::Authority;
use millstream_server::{AuthClients, BindAddress, Config, Tls, TlsSettings};

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::client::{Client, memory, start};
use crate::tls_place::{Place, try_connect};

#[test]
fn new_connections_get_the_new_certificate_and_old_ones_stay() {
    let place = Place::new();
    let config = place.config(AuthClients::No);
    let tls = Arc::clone(&config.tls);
    let server = start(config);
    let mut old = place.connect(&server);
    let serial = old.info("tls_server_cert_serial");
    let other = Authority::new();
    place.write(&other.sign("127.0.0.1"));
    tls.reload().expect("the files are right");
    let address = server.tls_addresses()[0];
    assert!(try_connect(address, &place.authority, None).is_err());
    let mut new = try_connect(address, &other, None).expect("it is let in");
    assert_eq!(old.shown("ECHO hi"), "hi");
    assert_ne!(new.info("tls_server_cert_serial"), serial);
}

#[test]
fn a_bad_new_file_changes_nothing() {
    let place = Place::new();
    let config = place.config(AuthClients::No);
    let tls = Arc::clone(&config.tls);
    let server = start(config);
    fs::write(place.at("server.crt"), "no certificate").expect("write");
    let error = tls.reload().expect_err("there is no certificate").to_string();
    assert!(error.contains("tls-cert-file") && error.contains("server.crt"), "{error}");
    assert_eq!(place.connect(&server).shown("ECHO hi"), "hi");
}

#[test]
fn config_set_takes_certificate_and_key_together_or_not_at_all() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let mut client = Client::connect(&server);
    let other = Authority::new();
    let (certificate, key) = other.sign("127.0.0.1").write(place.directory.path(), "other");
    let (certificate, key) = (certificate.display(), key.display());
    let before = client.shown("CONFIG GET tls-*");
    let said = client.shown(&format!("CONFIG SET timeout 77 tls-cert-file {certificate}"));
    assert!(
        said.starts_with("ERR CONFIG SET failed (possibly related to argument 'tls-key-file')")
    );
    assert!(said.contains("is not the one of the certificate"), "{said}");
    assert_eq!(client.shown("CONFIG GET tls-*"), before);
    assert_eq!(client.shown("CONFIG GET timeout"), "[timeout, 0]");
    let both = format!("CONFIG SET tls-cert-file {certificate} tls-key-file {key}");
    assert_eq!(client.shown(&both), "OK");
    assert!(try_connect(server.tls_addresses()[0], &other, None).is_ok());
    let said = client.shown("CONFIG SET tls-protocols TLSv1.1");
    assert!(said.contains("neither TLSv1.2 nor TLSv1.3"), "{said}");
    let said = client.shown("CONFIG SET tls-auth-clients maybe");
    assert!(said.contains("must be one of the following: no, yes, optional"), "{said}");
    let said = client.shown("CONFIG SET tls-port 1");
    assert!(said.contains("can't set immutable config"), "{said}");
    for line in ["MULTI", "CONFIG SET tls-protocols TLSv1.3"] {
        client.call(line);
    }
    assert!(client.shown("EXEC").contains("not allowed inside a transaction"));
}

#[test]
fn clients_must_show_certificates_once_it_is_said() {
    let place = Place::new();
    let server = start(place.config(AuthClients::No));
    let mut client = Client::connect(&server);
    assert!(place.try_connect_as(&server, None).is_ok());
    assert_eq!(client.shown("CONFIG SET tls-auth-clients YES"), "OK");
    assert_eq!(client.shown("CONFIG GET tls-auth-clients"), "[tls-auth-clients, yes]");
    assert!(place.try_connect_as(&server, None).is_err());
    assert!(place.try_connect_as(&server, Some(&place.authority.sign("worker"))).is_ok());
}

#[test]
fn strangers_are_not_let_in_by_config_set_either() {
    let place = Place::new();
    let ip = [0, 0, 0, 0].into();
    let bind = vec![BindAddress { ip, is_optional: false }];
    let server = start(Config { port: None, bind, ..place.config(AuthClients::Yes) });
    let address = ([127, 0, 0, 1], server.tls_addresses()[0].port()).into();
    let own = place.authority.sign("worker");
    let mut client = try_connect(address, &place.authority, Some(&own)).expect("it is let in");
    let said = client.shown("CONFIG SET tls-auth-clients optional");
    assert!(said.contains("only certificates keep strangers out"), "{said}");
    assert!(try_connect(address, &place.authority, None).is_err());
    // Either a password or certificates; what the same command says of the other one counts.
    let said = client.shown("CONFIG SET tls-auth-clients optional requirepass secret");
    assert_eq!(said, "OK");
    for pairs in ["requirepass ", "requirepass  tls-auth-clients optional"] {
        let said = client.shown(&format!("CONFIG SET {pairs}"));
        assert!(said.contains("'requirepass') - without a password everybody could"), "{said}");
    }
    assert_eq!(client.shown("CONFIG GET requirepass"), "[requirepass, secret]");
    assert_eq!(client.shown("CONFIG SET requirepass  tls-auth-clients yes"), "OK");
}

#[test]
fn a_password_does_not_go_where_it_alone_keeps_strangers_out() {
    let ip = [0, 0, 0, 0].into();
    let bind = vec![BindAddress { ip, is_optional: false }];
    let requirepass = Some("secret".to_owned());
    let server = start(Config { bind, requirepass, ..memory() });
    let address = ([127, 0, 0, 1], server.addresses()[0].port()).into();
    let mut client = Client::connect_to(address);
    assert_eq!(client.shown("AUTH secret"), "OK");
    let said = client.shown("CONFIG SET timeout 5 requirepass ");
    assert!(said.contains("'requirepass') - without a password everybody could"), "{said}");
    assert_eq!(client.shown("CONFIG GET timeout"), "[timeout, 0]");
    assert!(Client::connect_to(address).shown("PING").starts_with("NOAUTH"));
    assert_eq!(client.shown("CONFIG SET requirepass other"), "OK");
    // Nobody comes in as `default` then.
    assert_eq!(client.shown("ACL SETUSER default off"), "OK");
    assert_eq!(client.shown("CONFIG SET requirepass "), "OK");
    assert!(Client::connect_to(address).shown("PING").starts_with("NOAUTH"));
}

#[test]
fn a_file_without_an_end_is_refused() {
    let place = Place::new();
    let usual = || place.settings(AuthClients::Yes);
    let endless = PathBuf::from("/dev/zero");
    for settings in [
        TlsSettings { cert_file: endless.clone(), ..usual() },
        TlsSettings { key_file: endless.clone(), ..usual() },
        TlsSettings { ca_cert_file: endless.clone(), ..usual() },
    ] {
        let said = why(settings);
        assert!(said.contains("cannot read /dev/zero: it is no regular file"), "{said}");
    }
    let directory = place.at("authorities");
    fs::create_dir(&directory).expect("a directory");
    fs::write(directory.join("large"), vec![b' '; (1 << 20) + 1]).expect("write");
    let said = why(TlsSettings { ca_cert_dir: directory, ..usual() });
    assert!(said.contains("authorities/large: it is larger than 1 MiB"), "{said}");
}

/// From here on this thread may read what its user may, even if that is root.
fn obey_permissions() {
    let mut sets = capabilities(None).expect("the capabilities of this thread");
    sets.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
    set_capabilities(None, sets).expect("anyone may do less");
}

#[test]
fn an_authority_that_may_not_be_read_is_passed_over_with_a_warning() {
    let place = Place::new();
    let directory = place.at("authorities");
    fs::create_dir(&directory).expect("a directory");
    let closed = directory.join("closed.pem");
    fs::write(&closed, Authority::new().pem()).expect("write");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("set permissions");
    obey_permissions();
    let usual = place.settings(AuthClients::Yes);
    let (ca_cert_file, ca_cert_dir) = (PathBuf::new(), directory.clone());
    let settings = TlsSettings { ca_cert_file, ca_cert_dir, ..usual };
    // Alone it is an error: there is nobody else who signs.
    let said = why(settings.clone());
    assert!(said.contains("closed.pem: Permission denied"), "{said}");
    fs::write(directory.join("open.pem"), place.authority.pem()).expect("write");
    let warnings = Tls::load(settings).expect("it can be used").warnings();
    assert!(warnings[0].contains("passed over: tls-ca-cert-dir: cannot read "), "{warnings:?}");
}

#[test]
fn without_tls_settings_are_kept_and_no_file_is_read() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("CONFIG GET tls-port"), "[tls-port, 0]");
    assert_eq!(client.shown("CONFIG SET tls-cert-file /nowhere.crt"), "OK");
    assert_eq!(client.shown("CONFIG GET tls-cert-file"), "[tls-cert-file, /nowhere.crt]");
    assert!(!client.shown("INFO everything").contains("# TLS"));
    assert!(client.shown("INFO tls").contains("tls_server_cert_serial:none"));
}

fn why(settings: TlsSettings) -> String {
    Tls::load(settings).expect_err("it cannot be used").to_string()
}

#[test]
fn what_cannot_be_used_is_named() {
    let place = Place::new();
    let usual = || place.settings(AuthClients::Yes);
    assert!(why(TlsSettings::default()).contains("tls-cert-file"));
    let nowhere = PathBuf::from("/nowhere.pem");
    let said = why(TlsSettings { cert_file: nowhere.clone(), ..usual() });
    assert!(said.contains("tls-cert-file: cannot read /nowhere.pem: No such file"), "{said}");
    let said = why(TlsSettings { ca_cert_file: nowhere.clone(), ..usual() });
    assert!(said.contains("tls-ca-cert-file: cannot read /nowhere.pem"), "{said}");
    let said = why(TlsSettings { ca_cert_dir: nowhere, ..usual() });
    assert!(said.contains("tls-ca-cert-dir: cannot read /nowhere.pem"), "{said}");
    let said = why(TlsSettings { ca_cert_file: PathBuf::new(), ..usual() });
    assert!(said.contains("nobody was named who signs them"), "{said}");
    let said = why(TlsSettings { key_file: place.at("server.crt"), ..usual() });
    assert!(said.contains("server.crt: there is no private key (PEM)"), "{said}");
    let said = why(TlsSettings { cert_file: place.at("server.key"), ..usual() });
    assert!(said.contains("there is no certificate (PEM) in "), "{said}");
    let (_, key) = place.authority.sign("x").write(place.directory.path(), "other");
    let said = why(TlsSettings { key_file: key, ..usual() });
    assert!(said.contains("is not the one of the certificate"), "{said}");
    let cut = place.at("cut.pem");
    fs::write(&cut, &place.authority.pem()[..200]).expect("write");
    let said = why(TlsSettings { ca_cert_file: cut, ..usual() });
    assert!(said.contains("a certificate in ") && said.contains("cut.pem"), "{said}");
}

#[test]
fn an_expired_certificate_is_warned_of_and_served() {
    let place = Place::new();
    place.write(&place.authority.sign_expired("127.0.0.1"));
    let tls = Tls::load(place.settings(AuthClients::No)).expect("it can be used");
    let warnings = tls.warnings();
    assert!(warnings[0].contains("expired at 2020-02-01T00:00:00Z"), "{warnings:?}");
    let server = start(Config { tls: Arc::new(tls), ..place.config(AuthClients::No) });
    assert!(place.try_connect_as(&server, None).is_err(), "clients look at it");
    let left = Client::connect(&server).info("tls_server_cert_expires_in_seconds");
    assert!(left.starts_with('-'), "{left}");
}

/// Changes a key by OpenSSL; `None` where there is none.
fn openssl(place: &Place, arguments: &[&str]) -> Option<PathBuf> {
    let out = place.at("changed.key");
    let mut command = Command::new("openssl");
    command.args(arguments).arg("-in").arg(place.at("server.key")).arg("-out").arg(&out);
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            Some(out)
        }
        Err(_) => {
            println!("SKIP: no openssl to encrypt a key with");
            None
        }
    }
}

#[test]
fn a_key_may_be_encrypted() {
    let place = Place::new();
    let words = ["pkcs8", "-topk8", "-passout", "pass:let me in"];
    for method in [&["-v2", "aes-256-cbc"][..], &["-scrypt"]] {
        let Some(key_file) = openssl(&place, &[&words[..], method].concat()) else { return };
        let usual =
            || TlsSettings { key_file: key_file.clone(), ..place.settings(AuthClients::No) };
        let said = why(usual());
        assert!(said.contains("give its passphrase as tls-key-file-pass"), "{said}");
        let said = why(TlsSettings { key_file_pass: "wrong".to_owned(), ..usual() });
        assert!(said.contains("the passphrase (tls-key-file-pass) is not that of"), "{said}");
        let key_file_pass = "let me in".to_owned();
        Tls::load(TlsSettings { key_file_pass, ..usual() }).expect("it is the passphrase");
    }
    let words = ["ec", "-aes256", "-passout", "pass:let me in"];
    let Some(key_file) = openssl(&place, &words) else { return };
    let key_file_pass = "let me in".to_owned();
    let settings = TlsSettings { key_file, key_file_pass, ..place.settings(AuthClients::No) };
    let said = why(settings);
    assert!(said.contains("openssl pkcs8 -topk8"), "{said}");
}
