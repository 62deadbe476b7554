//! What one stream takes on disk, as the server says it.

use redis::{Connection, cmd};

use crate::entries::fill;
use crate::store::Store;

fn disk_bytes(connection: &mut Connection, key: &str) -> u64 {
    cmd("MEMORY").arg(&["USAGE", key, "DISK"]).query(connection).expect("a number")
}

#[test]
fn what_a_stream_takes_on_disk_is_told_and_survives_a_restart() {
    let store = Store::new();
    let mut server = store.start(&["--checkpoint-log-kb", "1024"]);
    fill(&mut server.connection, "large", 1..4001);
    fill(&mut server.connection, "small", 1..401);
    server.wait_for_checkpoint();
    let large = disk_bytes(&mut server.connection, "large");
    let small = disk_bytes(&mut server.connection, "small");
    // Values of 1,000 bytes that cannot be compressed; the last block may still be open.
    assert!((3_900_000..4_400_000).contains(&large), "{large}");
    assert!((350_000..450_000).contains(&small), "{small}");
    let files = store.disk_bytes("blocks");
    assert!(large + small <= files, "{large} and {small} of {files}");
    server.stop();
    let mut server = store.start(&[]);
    let again = disk_bytes(&mut server.connection, "large");
    assert!(again >= large && again < 4_400_000, "{large}, {again}");
    cmd("XTRIM").arg(&["large", "MAXLEN", "0"]).exec(&mut server.connection).expect("it trims");
    assert_eq!(disk_bytes(&mut server.connection, "large"), 0);
}
