//! Arbitrary texts as a configuration file and as flags: refused with a reason, or a configuration
//! that can be judged. Tests only.

use clap::Parser;
use fastrand::Rng;
use millstream_server::Server;

use crate::serve_options::{ServeOptions, join_bind_addresses};

const FILE: &str = "port = 1\nbind = ['127.0.0.1', '-::1']\nsync = 'everysec'\ncache-mb = 3\n\
    maxmemory = '100mb'\nmaxmemory-clients = '5%'\nclient-output-buffer-limit = 'normal 0 1 60'\n\
    unixsocketperm = 700\nenable-debug = 'local'\ntimeout = 9\nadmin-port = 'off'\nthreads = 2\n\
    [[group-policy]]\nstream = 'orders:*'\nvisibility = 30_000\nbackoff = [100, 1.5, 2000]\n";
const FLAGS: &str = "m --port 0 --bind 127.0.0.1 -::1 --sync everysec --maxmemory 100mb --memory \
    --group-policy=a* --timeout=9 --unixsocketperm=700 --maxclients 5 --enable-debug=local";
const WORDS: [&str; 10] =
    ["-1", "99999999999999999999", "''", "[", "= ", "\n", "\u{0}", "é", "1e9", "5%%"];

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    options: ServeOptions,
}

fn changed(text: &str, seed: u64) -> String {
    let mut dice = Rng::with_seed(seed);
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=dice.usize(..4) {
        let at = dice.usize(..=characters.len());
        let end = at + dice.usize(..(characters.len() - at + 1).min(12));
        let word = dice.choice(WORDS).expect("there are some");
        match dice.u8(..3) {
            0 => drop(characters.drain(at..end)),
            1 => drop(characters.splice(at..end, word.chars())),
            _ => {
                let again = characters[at..end].to_vec();
                characters.splice(at..at, again);
            }
        }
    }
    characters.into_iter().collect()
}

fn judge(options: ServeOptions) {
    let _ = options.admin();
    if let Err(error) = Server::check(&options.into_config()) {
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn any_file_is_refused_with_a_reason_or_can_be_judged() {
    judge(toml::from_str(FILE).expect("a file to begin with"));
    for seed in 1..3000 {
        let text = changed(FILE, seed);
        match toml::from_str::<ServeOptions>(&text) {
            Ok(options) => judge(options),
            Err(error) => assert!(!error.to_string().is_empty(), "seed {seed}"),
        }
    }
}

#[test]
fn any_flags_are_refused_with_a_reason_or_can_be_judged() {
    for seed in 1..1000 {
        let line = changed(FLAGS, seed);
        let arguments = join_bind_addresses(line.split(' ').map(Into::into));
        match Flags::try_parse_from(arguments) {
            Ok(flags) => judge(flags.options),
            Err(error) => assert!(!error.to_string().is_empty(), "seed {seed}"),
        }
    }
}
