//! BACKUP: keeping files on disk while a program on this machine copies them, and listing them.
//!
//! The server copies nothing itself: whoever may send commands must not for that reason be able to
//! write files.

use millstream_command::Reply;

use crate::session::Session;

const NOTHING_STORED: &str = "ERR nothing is stored: this server keeps its data in memory only";

/// BACKUP PIN
pub(crate) fn pin(session: &mut Session) -> Reply {
    let Some(pin) = session.shared.store.engine.pin_backup() else {
        return Reply::error(NOTHING_STORED);
    };
    let files = match pin.files() {
        Ok(files) => files,
        Err(error) => return Reply::Error(format!("ERR cannot list the files: {error}").into()),
    };
    let files = files.into_iter().map(|file| {
        Reply::Array(vec![
            Reply::bulk(file.name.into_bytes()),
            Reply::number(file.bytes),
            Reply::number(file.file_bytes),
            Reply::Int(file.is_final.into()),
        ])
    });
    let files = Reply::Array(files.collect());
    let path = session.shared.data_path.as_deref().map(|path| path.as_os_str().as_encoded_bytes());
    let directory = Reply::bulk(path.unwrap_or_default().to_vec());
    let until = Reply::number(pin.until().get());
    // One that was kept before goes only now, so that the files common to both stay.
    session.backup = Some(pin);
    Reply::Array(vec![
        Reply::Text("directory"),
        directory,
        Reply::Text("position"),
        until,
        Reply::Text("files"),
        files,
    ])
}

/// BACKUP UNPIN
pub(crate) fn unpin(session: &mut Session) -> Reply {
    Reply::Int(session.backup.take().is_some().into())
}
