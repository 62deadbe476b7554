//! What the end of a command means for its entry.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use millstream::HandlerError;

use crate::output::short;

/// The entry is wrong: EX_DATAERR of sysexits.
const DATA_ERROR: i32 = 65;
/// It failed for a time: EX_TEMPFAIL.
const TEMPORARY_FAILURE: i32 = 75;

/// How a command ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was told to end, as it took longer than this.
    TimedOut(ExitStatus, Duration),
    /// It was told to end, as the worker ends.
    Stopped(ExitStatus),
}

/// With the end of its standard error.
pub(super) fn verdict(end: End, tail: &[u8], retry_delay: Duration) -> Result<(), HandlerError> {
    let with_tail = |what: String| match String::from_utf8_lossy(tail).trim() {
        "" => what,
        said => format!("{what}: {said}"),
    };
    let status = match end {
        End::Exited(status) => status,
        // Whatever it returned then: it was kept from its work.
        End::Stopped(_) => return Err(HandlerError::give_back("the worker ended")),
        End::TimedOut(_, limit) => {
            let what = format!("it took longer than {}", short(limit));
            return Err(HandlerError::retry(with_tail(what)));
        }
    };
    match status.code() {
        Some(0) => Ok(()),
        Some(DATA_ERROR) => Err(HandlerError::reject(with_tail("exit code 65".to_owned()))),
        Some(TEMPORARY_FAILURE) => {
            let what = with_tail("exit code 75".to_owned());
            Err(HandlerError::put_off(retry_delay, what))
        }
        Some(code) => Err(HandlerError::retry(with_tail(format!("exit code {code}")))),
        None => {
            let signal = status.signal().unwrap_or_default();
            Err(HandlerError::retry(with_tail(format!("killed by signal {signal}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_signals_have_their_meaning() {
        let said = |raw: i32, tail: &[u8]| {
            let end = End::Exited(ExitStatus::from_raw(raw));
            match verdict(end, tail, Duration::from_secs(9)) {
                Ok(()) => "done".to_owned(),
                Err(error) => format!("{error:?}"),
            }
        };
        assert_eq!(said(0, b"warning"), "done");
        assert_eq!(said(65 << 8, b"no such order\n"), "Reject: exit code 65: no such order");
        assert_eq!(said(75 << 8, b""), "PutOff(9s): exit code 75");
        assert_eq!(said(1 << 8, b"a\n\xff\n"), "Retry(None): exit code 1: a\n\u{fffd}");
        assert_eq!(said(9, b""), "Retry(None): killed by signal 9");
        let status = ExitStatus::from_raw(0);
        let late = verdict(End::TimedOut(status, Duration::from_secs(3)), b"", Duration::ZERO);
        let late = late.expect_err("it was too slow");
        assert_eq!(format!("{late:?}"), "Retry(None): it took longer than 3s");
        let stopped = verdict(End::Stopped(status), b"", Duration::ZERO).expect_err("not done");
        assert_eq!(format!("{stopped:?}"), "GiveBack: the worker ended");
    }
}
