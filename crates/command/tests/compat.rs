//! `COMPAT.md` has the table that the command table gives.
//!
//! With `MILLSTREAM_WRITE_COMPAT=1` the test writes it instead.

use std::path::Path;

const BEGIN: &str = "<!-- commands: written by the test crates/command/tests/compat.rs -->\n";
const END: &str = "<!-- end of commands -->\n";

#[test]
fn the_table_of_commands_in_compat_md_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../COMPAT.md");
    let page = std::fs::read_to_string(&path).expect("COMPAT.md can be read");
    let (before, rest) = page.split_once(BEGIN).expect("the table has a beginning");
    let (table, after) = rest.split_once(END).expect("the table has an end");
    let expected = millstream_command::compatibility::markdown();
    if std::env::var_os("MILLSTREAM_WRITE_COMPAT").is_some() {
        let page = [before, BEGIN, &expected, END, after].concat();
        std::fs::write(&path, page).expect("COMPAT.md can be written");
        return;
    }
    assert!(
        table == expected,
        "COMPAT.md is out of date: MILLSTREAM_WRITE_COMPAT=1 cargo test -p millstream-command --test compat"
    );
}
