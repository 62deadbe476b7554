//! The way back from settings to the file that they came from: CONFIG REWRITE.
//!
//! What a configuration file looks like is known to whoever reads it, and that is not the server.

use std::{fmt, io};

/// The file that the configuration was read from.
pub trait ConfigFile: fmt::Debug + Send + Sync {
    /// Its name, for INFO.
    fn path(&self) -> String;
    /// Makes these settings, by the names that CONFIG SET knows them by, those of the file: at the
    /// next start they are what they are now. All else in the file stays as it is, and a failure
    /// leaves the whole file so.
    ///
    /// # Errors
    /// What was in the way, in words for the person who asked.
    fn rewrite(&self, settings: &[(&'static str, SettingValue)]) -> io::Result<()>;
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// A number; sizes are in bytes.
    Number(i64),
    /// A text.
    Text(String),
}
