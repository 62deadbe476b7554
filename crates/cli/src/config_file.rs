//! The TOML file of `--config`, written back: CONFIG REWRITE.
//!
//! The file is read again, so what a person changed in it meanwhile stays; comments and order stay,
//! too. The new text replaces the old one as a whole or not at all: a file beside it is written,
//! synced, and renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use millstream_server::{ConfigFile, SettingValue};
use toml_edit::{DocumentMut, Item, TomlError, Value};

use crate::toml_fault;

/// A TOML file with settings.
#[derive(Debug)]
pub(crate) struct TomlFile {
    path: PathBuf,
}

impl TomlFile {
    /// The file at an absolute path.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl ConfigFile for TomlFile {
    fn path(&self) -> String {
        let path = fs::canonicalize(&self.path);
        path.as_ref().unwrap_or(&self.path).to_string_lossy().into_owned()
    }

    fn rewrite(&self, settings: &[(&'static str, SettingValue)]) -> io::Result<()> {
        let told = |what: &str, error: io::Error| {
            io::Error::new(error.kind(), format!("cannot {what} {}: {error}", self.path.display()))
        };
        // The file itself, not a link to it.
        let path = fs::canonicalize(&self.path).map_err(|error| told("find", error))?;
        let text = fs::read_to_string(&path).map_err(|error| told("read", error))?;
        let changed = with_settings(&text, settings).map_err(|error| told("understand", error))?;
        replace(&path, &changed).map_err(|error| told("write", error))
    }
}

fn with_settings(text: &str, settings: &[(&'static str, SettingValue)]) -> io::Result<String> {
    let mut document: DocumentMut = text.parse().map_err(|error: TomlError| {
        io::Error::other(toml_fault::describe(text, error.span(), error.message()))
    })?;
    for (name, value) in settings {
        let mut value = match value {
            SettingValue::Number(number) => Value::from(*number),
            SettingValue::Text(text) => Value::from(text),
        };
        match document.get_mut(name).and_then(Item::as_value_mut) {
            Some(present) => {
                // The blanks and the comment around it are not the value's.
                *value.decor_mut() = present.decor().clone();
                *present = value;
            }
            None => {
                document.insert(name, Item::Value(value));
            }
        }
    }
    Ok(document.to_string())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let permissions = fs::metadata(path)?.permissions();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let write = || {
        // Nobody but the owner may read it before it has the permissions of the old one.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(permissions)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    let outcome = write();
    if outcome.is_err() {
        let _ = fs::remove_file(&new);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const BEFORE: &str = "# For the machine in the cellar.\nport = 1 # as agreed\n\n# Strict.\n\
                          timeout   =  5 # seconds\nrequirepass = 'old'\n# The end.\n";

    fn number(name: &'static str, value: i64) -> (&'static str, SettingValue) {
        (name, SettingValue::Number(value))
    }

    #[test]
    fn comments_and_order_stay() {
        let password = ("requirepass", SettingValue::Text("n\"ew".to_owned()));
        let settings = [number("timeout", 60), password, number("maxclients", 7)];
        assert_eq!(
            with_settings(BEFORE, &settings).expect("it is TOML"),
            "# For the machine in the cellar.\nport = 1 # as agreed\n\n# Strict.\n\
             timeout   =  60 # seconds\nrequirepass = 'n\"ew'\nmaxclients = 7\n# The end.\n"
        );
        assert_eq!(with_settings(BEFORE, &[]).expect("it is TOML"), BEFORE);
        assert_eq!(with_settings("", &[number("timeout", 1)]).expect("empty"), "timeout = 1\n");
    }

    #[test]
    fn the_file_is_replaced_with_its_permissions() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m.toml");
        fs::write(&path, BEFORE).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set permissions");
        let link = directory.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).expect("link");
        TomlFile::new(link.clone()).rewrite(&[number("timeout", 9)]).expect("rewrite");
        assert!(fs::read_to_string(&path).expect("read").contains("timeout   =  9 # seconds"));
        let mode = fs::metadata(&path).expect("look").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("look").is_symlink());
        assert_eq!(fs::read_dir(directory.path()).expect("list").count(), 2, "nothing is left");
    }

    #[test]
    fn what_cannot_be_written_is_told_and_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m.toml");
        let error = TomlFile::new(path.clone()).rewrite(&[]).expect_err("there is no file");
        assert!(error.to_string().contains("m.toml"), "{error}");
        fs::write(&path, "timeout = \n").expect("write");
        let error = TomlFile::new(path.clone()).rewrite(&[]).expect_err("this is no TOML");
        assert!(error.to_string().contains("cannot understand"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("read"), "timeout = \n");
    }

    #[test]
    fn a_password_without_quotes_is_in_no_reply_to_config_rewrite() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m.toml");
        fs::write(&path, "port = 1\nrequirepass = hunter2\n").expect("write");
        let error = TomlFile::new(path).rewrite(&[]).expect_err("this is no TOML").to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("m.toml: line 2, column 15 (requirepass): "), "{error}");
    }
}
