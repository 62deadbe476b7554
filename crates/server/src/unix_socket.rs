//! The Unix socket: taking its path, and giving it back.
//!
//! Invariants:
//! 1. Nothing but a socket that nobody listens on is ever removed; and at the end, only our own.
//! 2. The file has its permissions before anybody can connect.
//!
//! The path is looked at when the server starts, and taken once it is ready: a socket that is bound
//! and not yet listened on would look dead to others.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::StartError;

/// The file of a socket that we listen on; removed when dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number: a file that somebody else put there meanwhile stays.
    identity: (u64, u64),
}

impl SocketFile {
    /// The path as CLIENT LIST shows it.
    pub(crate) fn shown_path(&self) -> Arc<str> {
        self.path.to_string_lossy().into()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()))
}

/// What there is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A socket that nobody listens on.
    Dead,
}

/// Refuses a path where something lives.
pub(crate) fn check(path: &Path) -> Result<(), StartError> {
    look(path).map(|_| ())
}

fn look(path: &Path) -> Result<Found, StartError> {
    let failed = |source| StartError::UnixSocket { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed(error)),
        Ok(data) if !data.file_type().is_socket() => {
            return Err(StartError::NoSocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(StartError::UnixSocketInUse { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Dead),
        Err(error) => Err(failed(error)),
    }
}

/// Takes the path and listens.
pub(crate) fn listen(
    path: &Path,
    permissions: Option<u32>,
    backlog: i32,
) -> Result<(UnixListener, SocketFile), StartError> {
    let found = look(path)?;
    let take = || {
        if found == Found::Dead {
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = SocketFile { path: path.to_owned(), identity: identity(path)? };
        if let Some(mode) = permissions {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        socket.listen(backlog)?;
        Ok((socket.into(), file))
    };
    take().map_err(|source| StartError::UnixSocket { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
    }

    #[test]
    fn a_dead_socket_is_replaced_and_the_own_one_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        drop(UnixListener::bind(&path).expect("bind"));
        assert!(path.exists(), "whoever binds a socket leaves its file");
        let (listener, file) = listen(&path, Some(0o600), 1).expect("listen");
        assert_eq!(mode(&path), 0o600);
        UnixStream::connect(&path).expect("it is the new one");
        assert!(matches!(check(&path), Err(StartError::UnixSocketInUse { .. })));
        drop(listener);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        fs::write(&path, "precious").expect("write");
        assert!(matches!(listen(&path, None, 1), Err(StartError::NoSocket { .. })));
        assert_eq!(fs::read_to_string(&path).expect("read"), "precious");
        let directory = check(directory.path());
        assert!(matches!(directory, Err(StartError::NoSocket { .. })));
    }

    #[test]
    fn a_file_that_took_our_place_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        let (_listener, file) = listen(&path, None, 1).expect("listen");
        // Kept, so that its number is not given to the next file.
        fs::rename(&path, directory.path().join("old")).expect("rename");
        fs::write(&path, "precious").expect("write");
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn a_path_that_is_too_long_is_told() {
        let path = PathBuf::from("/tmp").join("x".repeat(200));
        assert!(matches!(listen(&path, None, 1), Err(StartError::UnixSocket { .. })));
    }
}
