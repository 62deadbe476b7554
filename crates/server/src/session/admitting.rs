//! Whether a session may write now; see [`millstream_runtime::admission`].

use millstream_command::Reply;
use millstream_command::table::CommandSpec;
use millstream_engine::LogPosition;
use millstream_runtime::admission::{self, Admission, Admitted, Reservation, frees_space};

use super::Session;
use super::blocking::{Waiting, pause};
use super::execute::Step;
use crate::shared::Shared;

impl Session {
    pub(super) fn is_batch_admitted(&mut self, commands: usize, bytes: usize) -> bool {
        if self.shared.store.poison().is_some() {
            return false;
        }
        let admission = admission::ask(&self.shared, commands, bytes, false);
        let Admission::Granted(reservation) = admission else { return false };
        self.keep_reservation(reservation);
        true
    }

    fn keep_reservation(&mut self, reservation: Option<Reservation<Shared>>) {
        self.admitted_until = reservation.as_ref().map_or(LogPosition::new(u64::MAX), |r| r.until);
        self.reservation = reservation;
    }

    /// What was let in has logged by now: what it did not take is free again.
    pub(super) fn give_back_reservation(&mut self) {
        self.shared.store.note_log_end(self.batch_end);
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
        self.give_back_reservation();
        let wait = &mut self.room_wait;
        match admission::may_write(&self.shared, wait, frees_space, commands, bytes)? {
            Admitted::Now(reservation) => {
                self.keep_reservation(reservation);
                Ok(true)
            }
            Admitted::NotYet => Ok(false),
        }
    }
}
