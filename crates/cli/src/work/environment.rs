//! What a command finds in its environment: that of the worker, and the entry.
//!
//! Of an entry come only variables that begin with `MILLSTREAM_FIELD_`: a field named PATH or
//! LD_PRELOAD sets nothing that any program looks at. What tells about the entry itself has other
//! names (`MILLSTREAM_ID`), which no field can have.

use std::collections::HashSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use millstream::Message;
use tokio::process::Command;

const FIELD: &str = "MILLSTREAM_FIELD_";
/// Of the values of one variable.
const VALUE_BYTES_MAX: usize = 32 << 10;
/// Of all of them together; Linux allows 2 MiB with everything else, as a rule.
const ALL_BYTES_MAX: usize = 512 << 10;

/// Variables of the worker's own environment that would look like those of an entry.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    misleading: Vec<OsString>,
}

impl Inherited {
    pub(super) fn look() -> Self {
        let is_misleading = |name: &OsString| name.as_bytes().starts_with(FIELD.as_bytes());
        Self { misleading: env::vars_os().map(|(name, _)| name).filter(is_misleading).collect() }
    }

    /// Sets what tells of the entry.
    pub(super) fn set(&self, command: &mut Command, message: &Message) {
        self.misleading.iter().for_each(|name| _ = command.env_remove(name));
        let about = [
            ("MILLSTREAM_ID", message.id().to_string()),
            ("MILLSTREAM_STREAM", message.stream().to_owned()),
            ("MILLSTREAM_GROUP", message.group().to_owned()),
            ("MILLSTREAM_CONSUMER", message.consumer().to_owned()),
            ("MILLSTREAM_DELIVERIES", message.deliveries().to_string()),
        ];
        for (name, value) in about {
            match value.contains('\0') {
                true => command.env_remove(name),
                false => command.env(name, value),
            };
        }
        for (name, value) in fields(message.payload().iter()) {
            command.env(name, value);
        }
    }
}

/// Variables of fields, as far as there can be some: the first of a name counts.
fn fields<'a>(
    all: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> impl Iterator<Item = (String, &'a OsStr)> {
    let (mut names, mut bytes) = (HashSet::new(), 0);
    all.filter_map(move |(name, value)| {
        let variable = variable(name)?;
        if !names.insert(variable.clone()) || value.len() > VALUE_BYTES_MAX || value.contains(&0) {
            return None;
        }
        // With what the system needs for each.
        let size = variable.len() + value.len() + 16;
        if bytes + size > ALL_BYTES_MAX {
            return None;
        }
        bytes += size;
        Some((variable, OsStr::from_bytes(value)))
    })
}

fn variable(name: &[u8]) -> Option<String> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if name.is_empty() || name.len() > VALUE_BYTES_MAX || !name.iter().all(is_plain) {
        return None;
    }
    let name = std::str::from_utf8(name).expect("letters and digits are text");
    Some(format!("{FIELD}{}", name.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_fields_become_variables_and_only_under_their_prefix() {
        let long = vec![b'x'; VALUE_BYTES_MAX + 1];
        let longest = vec![b'x'; VALUE_BYTES_MAX];
        let all: &[(&[u8], &[u8])] = &[
            (b"order_id", b"7"),
            (b"Order_Id", b"second of a name"),
            (b"PATH", b"/evil"),
            (b"LD_PRELOAD", b"/evil.so"),
            (b"a-b", b"1"),
            (b"a=b", b"1"),
            (b"", b"1"),
            (b"\xff", b"1"),
            ("ü".as_bytes(), b"1"),
            (b"nul", b"a\0b"),
            (b"long", &long),
            (b"longest", &longest),
            (b"bytes", b"\xff\n"),
            (b"empty", b""),
        ];
        let found: Vec<(String, &OsStr)> = fields(all.iter().copied()).collect();
        let expected = [
            ("ORDER_ID", &b"7"[..]),
            ("PATH", b"/evil"),
            ("LD_PRELOAD", b"/evil.so"),
            ("LONGEST", &longest),
            ("BYTES", b"\xff\n"),
            ("EMPTY", b""),
        ];
        let expected: Vec<(String, &OsStr)> = expected
            .iter()
            .map(|(name, value)| (format!("{FIELD}{name}"), OsStr::from_bytes(value)))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn they_fit_into_what_a_program_can_be_given() {
        let value = vec![b'x'; VALUE_BYTES_MAX];
        let names: Vec<String> = (0..100).map(|number| format!("f{number}")).collect();
        let all = names.iter().map(|name| (name.as_bytes(), &value[..]));
        let bytes: usize = fields(all).map(|(name, value)| name.len() + value.len()).sum();
        assert!(
            (ALL_BYTES_MAX - VALUE_BYTES_MAX - 100..=ALL_BYTES_MAX).contains(&bytes),
            "{bytes}"
        );
    }
}
