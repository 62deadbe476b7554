//! Files of certificates and keys. Each is a regular file and small: whatever else a setting names,
//! such as a pipe or a device, would be waited for or read for ever.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Far more than all authorities of an operating system together.
const BYTES_MAX: u64 = 1 << 20;

/// All bytes of a file, or of the one that a link leads to.
///
/// # Errors
/// It cannot be read, is no regular file, or is larger than 1 MiB.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened, which for a pipe would wait.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_a_mebibyte_and_not_a_byte_more() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let mut bytes = vec![b'x'; 1 << 20];
        fs::write(&path, &bytes).expect("write");
        assert!(read(&path).is_ok_and(|read| read == bytes));
        bytes.push(b'x');
        fs::write(&path, &bytes).expect("write");
        assert_eq!(read(&path).expect_err("too large").to_string(), "it is larger than 1 MiB");
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("link");
        for path in [directory.path(), Path::new("/dev/zero"), &link] {
            let error = read(path).expect_err("it is none").to_string();
            assert_eq!(error, "it is no regular file", "{}", path.display());
        }
    }
}
