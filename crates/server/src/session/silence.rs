//! CLIENT REPLY: whether this connection gets replies.
//!
//! A reply that nobody wants is dropped where it would be encoded, so everything else goes as
//! usual: counters, MULTI, what a later WAITAOF waits for.

use millstream_command::Reply;
use millstream_engine::LogPosition;

use super::Session;

/// Which replies are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Silence {
    #[default]
    None,
    /// The next one.
    Once,
    /// All.
    Always,
}

impl Session {
    /// CLIENT REPLY ON | OFF | SKIP. `None`: it has no reply itself.
    pub(super) fn client_reply(&mut self, args: &[&[u8]]) -> Option<Reply> {
        match &args[2].to_ascii_uppercase()[..] {
            b"ON" => {
                self.silence = Silence::None;
                return Some(Reply::OK);
            }
            b"OFF" => self.silence = Silence::Always,
            b"SKIP" if self.silence == Silence::Always => {}
            b"SKIP" => self.silence = Silence::Once,
            _ => return Some(Reply::error("ERR syntax error")),
        }
        None
    }

    /// RESET ends OFF; a reply that is to be skipped is its own.
    pub(crate) fn end_silence(&mut self) {
        if self.silence == Silence::Always {
            self.silence = Silence::None;
        }
    }

    /// Whether nothing is sent at all.
    pub(super) fn is_silent(&self) -> bool {
        self.silence == Silence::Always
    }

    /// Whether the reply that is due now is dropped.
    #[inline]
    pub(super) fn is_silenced(&mut self) -> bool {
        if self.silence == Silence::Once {
            self.silence = Silence::None;
            return true;
        }
        self.silence == Silence::Always
    }

    /// Drops a reply. That it depended on a position is remembered all the same.
    pub(super) fn drop_reply(&mut self, position: LogPosition) {
        self.last_position = self.last_position.max(position);
        self.batch_end = self.batch_end.max(position);
    }
}
