//! Whether a session may write now; see `admission.rs`.

use std::time::{Duration, Instant};

use millstream_command::Reply;
use millstream_command::table::CommandSpec;
use millstream_engine::{LogPosition, Room};

use super::Session;
use super::blocking::{Waiting, pause};
use super::execute::Step;
use crate::admission::{self, Admission, Reservation};

/// A write that has waited this long for room is refused.
const ROOM_PATIENCE: Duration = Duration::from_secs(5);
pub(super) const DISK_FULL: &str = "MISCONF the disk is full: only commands that free space are \
accepted until there is room";
pub(super) const OVERDUE: &str = "MISCONF no checkpoint can be made, and too much was written \
without: only commands that free space are accepted; the server's log says why";
pub(super) const POISONED: &str = "MISCONF the log cannot be written: no write is accepted until \
the server has been started again";

impl Session {
    pub(super) fn is_batch_admitted(&mut self, commands: usize, bytes: usize) -> bool {
        if self.shared.poison().is_some() {
            return false;
        }
        let admission = admission::ask(&self.shared, commands, bytes, false);
        let Admission::Granted(reservation) = admission else { return false };
        self.keep_reservation(reservation);
        true
    }

    fn keep_reservation(&mut self, reservation: Option<Reservation>) {
        self.admitted_until = reservation.as_ref().map_or(LogPosition::new(u64::MAX), |r| r.until);
        self.reservation = reservation;
    }

    /// What was let in has logged by now: what it did not take is free again.
    pub(super) fn give_back_reservation(&mut self) {
        self.shared.note_log_end(self.batch_end);
        self.reservation = None;
    }

    /// A write that the batch's question did not let in, on its own.
    pub(super) fn admit(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) -> Result<(), Step> {
        let bytes = args.iter().map(|argument| argument.len()).sum();
        match self.may_write(frees_space(spec), 1, bytes) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.waiting = Waiting::Room(pause());
                Err(Step::Retry)
            }
            Err(text) => {
                self.reject(spec, Reply::error(text));
                Err(Step::Next)
            }
        }
    }

    /// Whether so much may be written: `Ok(false)` says to ask again, `Err` why not.
    pub(super) fn may_write(
        &mut self,
        frees_space: bool,
        commands: usize,
        bytes: usize,
    ) -> Result<bool, &'static str> {
        if self.shared.poison().is_some() {
            return Err(POISONED);
        }
        self.give_back_reservation();
        match admission::ask(&self.shared, commands, bytes, frees_space) {
            Admission::Granted(reservation) => {
                self.keep_reservation(reservation);
                self.room_wanted_since = None;
                Ok(true)
            }
            Admission::Wait if self.waits_for_room_in_vain() => Err(DISK_FULL),
            Admission::Wait => Ok(false),
            Admission::DiskFull => {
                self.room_wanted_since = None;
                Err(DISK_FULL)
            }
            Admission::Overdue => {
                self.room_wanted_since = None;
                Err(OVERDUE)
            }
        }
    }

    /// Whether a write has asked for room again and again, and long enough.
    pub(super) fn waits_for_room_in_vain(&mut self) -> bool {
        if self.shared.engine.room().is_some_and(Room::is_disk_full) {
            self.room_wanted_since = None;
            return true;
        }
        let since = *self.room_wanted_since.get_or_insert_with(Instant::now);
        let in_vain = since.elapsed() >= ROOM_PATIENCE;
        if in_vain {
            self.room_wanted_since = None;
        }
        in_vain
    }
}

/// May use the reserve of a full disk: afterwards there is less to keep.
pub(super) fn frees_space(spec: &CommandSpec) -> bool {
    use millstream_command::table::CommandId as C;
    matches!(
        spec.id,
        C::Xack
            | C::Xackdel
            | C::Xdel
            | C::Xdelex
            | C::Xtrim
            | C::Del
            | C::Unlink
            | C::Flushall
            | C::Flushdb
            | C::XgroupDestroy
            | C::XgroupDelconsumer
    )
}
