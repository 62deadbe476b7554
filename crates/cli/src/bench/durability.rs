//! How safe a server makes a write before it answers, as far as it tells.

use millstream::{Error, Millstream};
use redis::{Value, cmd};
use serde::Serialize;

/// Of Millstream, where nothing is on disk.
const MEMORY: &str = "memory";

/// What a server tells of it; what it keeps to itself is `None`.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Durability {
    /// Millstream's `--sync`; `memory` where nothing is on disk.
    pub(super) sync: Option<String>,
    /// Redis' and Valkey's settings.
    pub(super) appendonly: Option<String>,
    pub(super) appendfsync: Option<String>,
    pub(super) save: Option<String>,
}

impl Durability {
    /// Asks. What the server refuses is not told.
    ///
    /// # Errors
    /// [`Error::Connection`].
    pub(super) async fn find_out(millstream: &Millstream) -> Result<Self, Error> {
        let info = ask(millstream, &["INFO", "persistence"]).await?;
        let info = info.as_ref().and_then(text).unwrap_or_default();
        let fact = |name: &str| {
            let of = |line: &str| Some(line.split_once(':')?.1.trim().to_owned());
            info.lines().find(|line| line.starts_with(name)).and_then(of)
        };
        let is_appending = fact("aof_enabled:").map(|flag| flag == "1");
        if millstream.abilities().server.starts_with("Millstream ") {
            let memory = (is_appending == Some(false)).then(|| MEMORY.to_owned());
            let sync = fact("millstream_sync:").or(memory);
            return Ok(Self { sync, ..Self::default() });
        }
        let yes_or_no = |is: bool| if is { "yes".to_owned() } else { "no".to_owned() };
        Ok(Self {
            sync: None,
            appendonly: match setting(millstream, "appendonly").await? {
                Some(told) => Some(told),
                None => is_appending.map(yes_or_no),
            },
            appendfsync: setting(millstream, "appendfsync").await?,
            save: setting(millstream, "save").await?,
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        if let Some(sync) = &self.sync {
            return match &**sync {
                MEMORY => "none: --memory".to_owned(),
                sync => format!("--sync {sync}"),
            };
        }
        if self.appendonly.is_none() && self.appendfsync.is_none() && self.save.is_none() {
            return "not told".to_owned();
        }
        let told = |value: &Option<String>| match value.as_deref() {
            None => "not told".to_owned(),
            Some("") => "\"\"".to_owned(),
            Some(value) => value.to_owned(),
        };
        let appendfsync = match self.appendonly.as_deref() {
            Some("no") => String::new(),
            _ => format!(", appendfsync {}", told(&self.appendfsync)),
        };
        format!("appendonly {}{appendfsync}, save {}", told(&self.appendonly), told(&self.save))
    }
}

async fn setting(millstream: &Millstream, name: &str) -> Result<Option<String>, Error> {
    let answer = ask(millstream, &["CONFIG", "GET", name]).await?;
    Ok(match answer {
        Some(Value::Array(both)) => both.get(1).and_then(text),
        Some(Value::Map(all)) => all.first().and_then(|(_, value)| text(value)),
        _ => None,
    })
}

/// `None`: it was refused.
pub(super) async fn ask(millstream: &Millstream, words: &[&str]) -> Result<Option<Value>, Error> {
    let (name, arguments) = words.split_first().expect("a command has a name");
    match millstream.query(cmd(name).arg(arguments)).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error @ (Error::Connection(_) | Error::Configuration(_))) => Err(error),
        Err(_) => Ok(None),
    }
}

/// With marks in place of what is no UTF-8, in both protocols' forms.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}
