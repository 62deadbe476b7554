//! The command that is run: found and looked at before anything is read.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::output::visible;
use crate::usage_error::usage;

/// Where shells look if PATH is not set.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program, and what it is called with.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// As it was written.
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Program {
    /// # Errors
    /// There is none of that name, or it cannot be run.
    pub(super) fn find(command: &[OsString]) -> anyhow::Result<Self> {
        let (name, arguments) = command.split_first().expect("a command has a first word");
        let path = if name.as_bytes().contains(&b'/') {
            can_run(Path::new(name)).map(|()| PathBuf::from(name))
        } else {
            look_up(name)
        };
        let path = path.map_err(|why| {
            let shown = visible(name.as_bytes());
            usage(format!("cannot run {shown}: {why}; nothing was read"))
        })?;
        Ok(Self { path, name: name.clone(), arguments: arguments.to_vec() })
    }
}

fn look_up(name: &OsStr) -> Result<PathBuf, String> {
    let folders = env::var_os("PATH").unwrap_or_else(|| PATH_DEFAULT.into());
    let mut found = Err("it is in no folder of PATH".to_owned());
    for folder in env::split_paths(&folders) {
        let path = folder.join(name);
        match can_run(&path) {
            Ok(()) => return Ok(path),
            Err(why) if path.exists() => found = Err(format!("{}: {why}", path.display())),
            Err(_) => {}
        }
    }
    found
}

fn can_run(path: &Path) -> Result<(), String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is no file".to_owned());
    }
    rustix::fs::access(path, Access::EXEC_OK).map_err(|_| "it is not executable".to_owned())
}
