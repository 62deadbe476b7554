//! What a server of a Cluster answers when it did nothing, because somebody else must, or nobody
//! can yet.

use super::super::address::HostPort;
use super::super::retrying::is_not_now;
use crate::Error;

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// From now on another one has the slot.
    Moved { slot: u16, to: HostPort },
    /// This once another one must be asked.
    Ask { to: HostPort },
    /// The slots are being divided anew, or the server is not what it was.
    Later,
}

impl Redirection {
    pub(super) fn is(error: &Error, asked: &HostPort) -> bool {
        Self::of(error, asked).is_some()
    }

    /// `None`: the error has nothing to do with who was asked. `asked`: who said it.
    pub(super) fn of(error: &Error, asked: &HostPort) -> Option<Self> {
        let Error::Refused { code, text } = error else { return None };
        match &**code {
            "MOVED" | "ASK" => {
                let (slot, address) = text.split_once(' ')?;
                let (host, port) = address.rsplit_once(':')?;
                // A server that does not know its own name means the one that it was called by.
                let host = if matches!(host, "" | "?") { &asked.host } else { host };
                let host = host.trim_matches(['[', ']']).to_owned();
                let to = HostPort { host, port: port.parse().ok()? };
                let slot = slot.parse().ok()?;
                Some(if code == "MOVED" { Self::Moved { slot, to } } else { Self::Ask { to } })
            }
            _ => is_not_now(error).then_some(Self::Later),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_are_read_and_other_errors_are_none() {
        let asked = HostPort { host: "a".to_owned(), port: 1 };
        let of = |code: &str, text: &str| {
            let error = Error::Refused { code: code.to_owned(), text: text.to_owned() };
            Redirection::of(&error, &asked)
        };
        let to = |host: &str, port| HostPort { host: host.to_owned(), port };
        let moved = |slot, to| Some(Redirection::Moved { slot, to });
        assert_eq!(of("MOVED", "3999 10.0.0.1:6381"), moved(3999, to("10.0.0.1", 6381)));
        assert_eq!(of("MOVED", "3999 :6381"), moved(3999, to("a", 6381)));
        assert_eq!(of("MOVED", "3999 ::1:6381"), moved(3999, to("::1", 6381)));
        assert_eq!(of("ASK", "1 b:2"), Some(Redirection::Ask { to: to("b", 2) }));
        assert_eq!(of("TRYAGAIN", "Multiple keys"), Some(Redirection::Later));
        assert_eq!(of("READONLY", "You can't write"), Some(Redirection::Later));
        assert_eq!(of("WRONGTYPE", "x"), None);
        assert_eq!(of("MOVED", "nonsense"), None);
        assert_eq!(Redirection::of(&Error::Answer("XADD"), &asked), None);
    }
}
