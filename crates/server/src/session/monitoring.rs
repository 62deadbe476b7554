//! MONITOR from both sides: showing others what this session runs, and watching them.

use millstream_acl::Request;
use millstream_command::Reply;
use millstream_command::table::{self, CommandSpec, Flag};
use millstream_runtime::since_1970;

use super::{OUTBOX_BYTES_MAX, Session};
use crate::mailbox::MONITORED;
use crate::{monitors, redaction};

impl Session {
    /// Shows a command that ran to all monitors. What administers the server stays private.
    #[cold]
    pub(super) fn show_to_monitors(&self, spec: &CommandSpec, args: &[&[u8]]) {
        if spec.flags.contains(Flag::Admin) {
            return;
        }
        let address = self.client.address.to_string();
        let args = redaction::shown(spec, args);
        let line = monitors::line(since_1970(), self.db, &address, &args);
        self.shared.monitors.leave(&line, self.shared.settings.monitor_bytes_max());
    }

    /// MONITOR; `None` if it was said before: then Redis does not answer.
    pub(super) fn begin_monitoring(&mut self) -> Option<Reply> {
        if self.monitor.is_some() {
            return None;
        }
        self.monitor = Some(self.shared.monitors.add(std::sync::Arc::clone(&self.client)));
        self.stopwatch.watch_each();
        self.update_facts(|facts| facts.is_monitor = true);
        // Whoever took the right away a moment ago saw no monitor to close.
        self.refresh_user();
        self.end_forbidden_monitoring();
        Some(Reply::OK)
    }

    /// After it has become another user, or a monitor.
    pub(super) fn end_forbidden_monitoring(&mut self) {
        let spec = table::find(b"monitor").expect("it is a command");
        let request = Request { spec, args: &[b"MONITOR"], db: self.db };
        if self.monitor.is_some() && self.user().check(&request).is_err() {
            self.is_closing = true;
        }
    }

    pub(crate) fn end_monitoring(&mut self) {
        if let Some(monitor) = self.monitor.take() {
            self.shared.monitors.remove(&monitor);
            self.update_facts(|facts| facts.is_monitor = false);
        }
    }

    /// Takes the lines that fit. Whether there are more. After QUIT none are taken.
    pub(super) fn take_monitored(&mut self) -> bool {
        let Some(monitor) = self.monitor.as_ref().filter(|_| !self.is_closing) else {
            return false;
        };
        self.client.signal.clear(MONITORED);
        if self.is_silent() {
            return monitor.discard();
        }
        let room = OUTBOX_BYTES_MAX.saturating_sub(self.outbox.len());
        monitor.take(room, self.outbox.buffer())
    }
}
