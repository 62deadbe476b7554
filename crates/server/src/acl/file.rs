//! The file of users: read as a whole, written as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{fmt, process};

use millstream_acl::{User, UserFileError, Users};

/// More than anybody has; a file that is larger was meant for something else.
const BYTES_MAX: u64 = 64 << 20;

/// Why users were not read. None of them counts then.
#[derive(Debug)]
pub(crate) enum LoadError {
    Read(io::Error),
    TooLarge,
    Lines(Vec<UserFileError>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::TooLarge => write!(f, "it is larger than {} MiB", BYTES_MAX >> 20),
            Self::Lines(errors) => {
                const SHOWN: usize = 10;
                let shown: Vec<_> = errors.iter().take(SHOWN).map(ToString::to_string).collect();
                f.write_str(&shown.join("; "))?;
                match errors.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} lines more"),
                }
            }
        }
    }
}

/// All users of a file; `default` is who is it where the file does not say.
pub(crate) fn read_users(path: &Path, default: &User) -> Result<Users, LoadError> {
    let size = fs::metadata(path).map_err(LoadError::Read)?.len();
    if size > BYTES_MAX {
        return Err(LoadError::TooLarge);
    }
    let text = fs::read(path).map_err(LoadError::Read)?;
    Users::read(&text, default).map_err(LoadError::Lines)
}

/// Writes the file so that a crash leaves the old one or the new one, on disk when this returns.
/// A new file can be read by its owner only; one that exists keeps its permissions.
pub(crate) fn write_users(path: &Path, users: &Users) -> io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.tmp", process::id()));
    let temporary = directory.join(temporary);
    let written = write_new(&temporary, &users.write(), &path);
    let outcome = written.and_then(|()| fs::rename(&temporary, &path));
    if outcome.is_err() {
        let _ = fs::remove_file(&temporary);
        return outcome;
    }
    File::open(directory)?.sync_all()
}

fn write_new(temporary: &PathBuf, text: &[u8], like: &Path) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
    if let Ok(existing) = fs::metadata(like) {
        file.set_permissions(fs::Permissions::from_mode(existing.permissions().mode() & 0o777))?;
    }
    file.write_all(text)?;
    file.sync_all()
}
