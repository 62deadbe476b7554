//! Which flags of `millstream serve` are settings, by their names: keys of the file of settings.

use clap::{Arg, Args as _, Command};

use crate::serve_options::ServeOptions;

/// Flags that are no keys.
const NO_KEYS: [&str; 4] = ["config", "check-config", "help", "version"];

/// Keys whose values are for nobody to see. All of them are texts.
pub(crate) const SECRETS: [&str; 2] = ["requirepass", "tls-key-file-pass"];

/// The key that sets what a flag sets; `None`: no key does.
pub(crate) fn key_of(flag: &Arg) -> Option<&str> {
    flag.get_long().filter(|name| !NO_KEYS.contains(name))
}

/// All flags that have a key, hidden ones among them.
pub(crate) fn flags_with_key() -> Vec<Arg> {
    let command = ServeOptions::augment_args(Command::new("serve"));
    command.get_arguments().filter(|flag| key_of(flag).is_some()).cloned().collect()
}
