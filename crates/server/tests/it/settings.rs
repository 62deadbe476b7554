//! Settings: before the start, while it runs, and back into the file.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream_server::{Config, ConfigFile, Server, SettingValue, StartError};

use crate::client::{Client, memory, start};

#[test]
fn what_config_set_can_change_can_be_chosen_at_the_start() {
    let settings = vec![
        ("stream-node-max-bytes", "8kb".to_owned()),
        ("stream-idmp-maxsize", "7".to_owned()),
        ("timeout", "100".to_owned()),
        ("tcp-keepalive", "0".to_owned()),
        ("proto-max-bulk-len", "2mb".to_owned()),
    ];
    let server = start(Config { settings, ..memory() });
    let mut client = Client::connect(&server);
    for (name, value) in [
        ("stream-node-max-bytes", "8192"),
        ("stream-idmp-maxsize", "7"),
        ("timeout", "100"),
        ("tcp-keepalive", "0"),
        ("proto-max-bulk-len", "2097152"),
    ] {
        assert_eq!(client.shown(&format!("CONFIG GET {name}")), format!("[{name}, {value}]"));
    }
    for (name, value) in [("timeout", "-1"), ("timeout", "x"), ("nosuch", "1"), ("port", "1")] {
        let settings = vec![(name, value.to_owned())];
        let refused = Server::start(Config { settings, ..memory() });
        assert!(matches!(refused, Err(StartError::Setting { .. })), "{name} {value}");
    }
}

#[test]
fn idle_connections_are_closed_and_waiting_ones_are_not() {
    let server = start(memory());
    let mut idle = Client::connect(&server);
    let mut blocked = Client::connect(&server);
    let mut busy = Client::connect(&server);
    idle.id();
    blocked.send("XREAD BLOCK 0 STREAMS s $");
    busy.await_info("blocked_clients", "1");
    assert_eq!(busy.shown("CONFIG SET timeout 1"), "OK");
    busy.await_info("connected_clients", "2");
    assert_eq!(busy.info("millstream_idle_disconnections"), "1");
    assert!(idle.read_to_end().is_empty());
    busy.call("XADD s 1-1 a b");
    assert_eq!(crate::client::show(&blocked.read()), "[[s, [[1-1, [a, b]]]]]");
    let began = Instant::now();
    assert!(blocked.read_to_end().is_empty(), "it has nothing to wait for any more");
    assert!(began.elapsed() > Duration::from_millis(500));
}

/// A file that is a list.
#[derive(Debug, Default)]
struct Written(Mutex<Vec<(&'static str, SettingValue)>>);

impl ConfigFile for Written {
    fn path(&self) -> String {
        "written.toml".to_owned()
    }

    fn rewrite(&self, settings: &[(&'static str, SettingValue)]) -> std::io::Result<()> {
        if settings.is_empty() {
            return Err(std::io::Error::other("the paper is used up"));
        }
        *self.0.lock().expect("no test panics while it holds this") = settings.to_vec();
        Ok(())
    }
}

#[test]
fn config_rewrite_gives_back_what_config_set_changed() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let without = "ERR The server is running without a config file";
    assert_eq!(client.shown("CONFIG REWRITE"), without);
    let file = Arc::new(Written::default());
    let server = start(Config { config_file: Some(file.clone()), ..memory() });
    let mut client = Client::connect(&server);
    let failed = "ERR Rewriting config file: the paper is used up";
    assert_eq!(client.shown("CONFIG REWRITE"), failed);
    for line in [
        "CONFIG SET timeout 60 stream-node-max-bytes 1kb",
        "CONFIG SET timeout 70 appendonly yes",
        "CONFIG SET maxclients 0",
        "CONFIG SET requirepass 12",
        "CONFIG SET save none",
    ] {
        client.call(line);
    }
    assert_eq!(client.shown("CONFIG REWRITE"), "OK");
    let written = file.0.lock().expect("no test panics while it holds this").clone();
    assert_eq!(
        written,
        [
            ("requirepass", SettingValue::Text("12".to_owned())),
            ("stream-node-max-bytes", SettingValue::Number(1024)),
            ("timeout", SettingValue::Number(60)),
        ]
    );
    client.call("MULTI");
    client.call("CONFIG REWRITE");
    assert!(client.shown("EXEC").contains("not allowed inside a transaction"));
}
