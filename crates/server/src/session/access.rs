//! Who a session is, and whether it may run a command.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use millstream_acl::{Denial, Request, User};
use millstream_command::Reply;
use millstream_command::table::{CommandId, CommandSpec};
use millstream_engine::{ReadRequest, Transaction};
use millstream_runtime::since_1970;

use super::Session;
use super::blocking::{ParkedRead, Waiting};
use super::execute::Step;
use crate::acl::{Context, Penalty, Refused};
use crate::client_command;
use crate::clients::Client;
use crate::shared::Shared;

const NO_KEY: &str = "NOPERM No permissions to access a key";
const NO_DATABASE: &str = "NOPERM No permissions to access database";
const NO_LONGER: &str = "NOPERM the rules of this user were changed while it waited";
const CHANGED: &str = "NOPERM ACLs rules changed between the moment the transaction was accumulated \
and the EXEC call. This command is no longer allowed for the following reason: ";

/// Who a session is.
#[derive(Debug)]
pub(super) struct Access {
    user: Arc<User>,
    /// See [`crate::acl`].
    epoch: u64,
    is_authenticated: bool,
    /// Of this process itself: no rule is about it.
    is_trusted: bool,
    /// Derived: every command may run, and nothing is to be looked at.
    is_free: bool,
    /// Of a wrong password, before it is answered.
    penalty: Option<Penalty>,
}

impl Access {
    pub(super) fn new(acl: &crate::acl::Acl, is_trusted: bool) -> Self {
        let epoch = acl.epoch();
        let user = if is_trusted { acl.process() } else { acl.default_user() };
        let is_authenticated = is_trusted || user.is_open();
        let mut access =
            Self { user, epoch, is_authenticated, is_trusted, is_free: false, penalty: None };
        access.derive();
        access
    }

    /// Of a client whose certificate names its user. One that names nobody who may come in is as
    /// any other connection.
    pub(super) fn of_certificate(acl: &crate::acl::Acl, name: &str) -> Self {
        let mut access = Self::new(acl, false);
        match acl.get(name.as_bytes()).filter(|user| user.is_on()) {
            Some(user) => {
                access.user = user;
                access.is_authenticated = true;
                access.derive();
            }
            None => {
                acl.denied.certificates.fetch_add(1, Ordering::Relaxed);
            }
        }
        access
    }

    fn derive(&mut self) {
        self.is_free = self.is_authenticated && self.user.is_unrestricted();
    }

    /// Nothing stands between this session and any command.
    #[inline]
    pub(super) fn is_free(&self) -> bool {
        self.is_free
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.is_authenticated
    }

    pub(super) fn user(&self) -> &Arc<User> {
        &self.user
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Session {
    pub(crate) fn is_authenticated(&self) -> bool {
        self.access.is_authenticated
    }

    pub(crate) fn user(&self) -> &Arc<User> {
        &self.access.user
    }

    /// Looks whether the rules of this session's user are others by now. A user that is gone has
    /// its connections closed by whoever deleted it.
    #[inline]
    pub(crate) fn refresh_user(&mut self) {
        if self.shared.acl.epoch() != self.access.epoch {
            self.look_up_user();
        }
    }

    #[cold]
    fn look_up_user(&mut self) {
        // First the epoch: a change after it is seen the next time.
        self.access.epoch = self.shared.acl.epoch();
        if self.access.is_trusted {
            return;
        }
        match self.shared.acl.get(self.access.user.name()) {
            Some(user) => {
                self.access.user = Arc::clone(&user);
                // Only of `default` there are connections that have not logged in.
                self.access.is_authenticated |= user.is_open();
                let is_authenticated = self.access.is_authenticated;
                self.update_facts(|facts| {
                    facts.user = user;
                    facts.is_authenticated = is_authenticated;
                });
            }
            // It was deleted while this connection logged in, or had commands under way: whatever
            // of them did not run yet is asked for by somebody who may do nothing.
            None => {
                self.is_closing = true;
                self.access.user = Arc::new(User::new(self.access.user.name()));
            }
        }
        self.access.derive();
    }

    /// From now on it is this user.
    pub(crate) fn log_in(&mut self, user: Arc<User>) {
        self.access.is_trusted = false;
        self.access.is_authenticated = true;
        self.set_user(user);
    }

    /// From now on it is who every new connection is.
    pub(crate) fn log_out(&mut self) {
        let user = self.shared.acl.default_user();
        self.access.is_trusted = false;
        self.access.is_authenticated = user.is_open();
        self.set_user(user);
    }

    fn set_user(&mut self, user: Arc<User>) {
        self.access.user = Arc::clone(&user);
        let is_authenticated = self.access.is_authenticated;
        self.update_facts(|facts| {
            facts.user = user;
            facts.is_authenticated = is_authenticated;
        });
        // It may have been changed since it was looked up.
        self.look_up_user();
        self.end_forbidden_monitoring();
    }

    /// Notes a wrong name or password. The answer is held back for a while.
    pub(crate) fn note_wrong_login(&mut self, command: &[u8], user: &[u8]) {
        let penalty = self.shared.acl.failures.note(&self.client.address, Instant::now());
        if penalty.is_logged() {
            let user = crate::acl_command::quoted(user);
            let (address, count) = (&self.client.address, penalty.count);
            tracing::warn!("wrong name or password for {user} from {address}, number {count}");
        }
        // Several within one EXEC wait for all of them together.
        let before = self.access.penalty.map_or(Duration::ZERO, |penalty| penalty.wait);
        self.access.penalty = Some(Penalty { wait: before + penalty.wait, ..penalty });
        self.shared.acl.denied.logins.fetch_add(1, Ordering::Relaxed);
        self.note_refused("auth", command.to_vec(), user.to_vec());
    }

    fn context(&self) -> Context {
        if self.is_in_multi() { Context::Multi } else { Context::Toplevel }
    }

    fn note_refused(&self, reason: &'static str, object: Vec<u8>, user: Vec<u8>) {
        let refused = Refused { reason, context: self.context(), object, user };
        add_to_log(&self.shared, &self.client, refused);
    }

    /// Holds the answer to a wrong login back, if that is due. What was answered before leaves,
    /// but for the last of it where this answer itself is not wanted.
    pub(super) fn serve_penalty(&mut self, step: Step) -> Step {
        let Some(penalty) = self.access.penalty.take() else { return step };
        if penalty.wait.is_zero() || step != Step::Next || self.is_closing {
            return step;
        }
        let held = self.replies.pop();
        if let Some((_, position)) = &held {
            // It may be of a write: what WAITAOF waits for includes that.
            self.drop_reply(*position);
        }
        self.last_reply_bytes = 0;
        self.encode_replies();
        let sleep = Box::pin(tokio::time::sleep(penalty.wait));
        self.waiting = Waiting::Penalty(sleep, held);
        Step::Pause
    }

    /// Why the command is refused, if it is. Noted for ACL LOG.
    pub(super) fn refusal(
        &self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Option<(Denial, Reply)> {
        let request = Request { spec, args, db: self.db };
        let denial = self.access.user.check(&request).err()?;
        self.note_denial(&request, denial);
        let name = self.access.user.name();
        let reply = match denial {
            Denial::Command => Reply::ErrorBytes(
                [
                    b"NOPERM User ",
                    name,
                    b" has no permissions to run the '",
                    spec.name.as_bytes(),
                    b"' command",
                ]
                .concat(),
            ),
            Denial::Database { .. } | Denial::AllDatabases => Reply::error(NO_DATABASE),
            Denial::Key { .. } => Reply::error(NO_KEY),
        };
        Some((denial, reply))
    }

    /// The same within EXEC, for what was allowed when it was queued.
    pub(super) fn refusal_in_exec(
        &self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Option<Reply> {
        if self.access.is_free {
            return None;
        }
        let (denial, _) = self.refusal(spec, args)?;
        let why = match denial {
            Denial::Command => "no permission to execute the command or subcommand",
            Denial::Database { .. } | Denial::AllDatabases => {
                "no permission to access the database"
            }
            Denial::Key { .. } => "no permission to touch the specified keys",
        };
        Some(Reply::Error(format!("{CHANGED}{why}").into()))
    }

    fn note_denial(&self, request: &Request<'_>, denial: Denial) {
        let denied = &self.shared.acl.denied;
        let (count, reason, object) = match denial {
            Denial::Command => (&denied.commands, "command", request.spec.name.as_bytes()),
            Denial::Database { argument } => {
                let object = argument
                    .map_or(request.spec.name.as_bytes(), |argument| request.args[argument]);
                (&denied.databases, "database", object)
            }
            Denial::AllDatabases => (&denied.databases, "database", request.spec.name.as_bytes()),
            Denial::Key { argument } => (&denied.keys, "key", request.args[argument]),
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.update_facts(|facts| facts.last_command = Some(request.spec));
        self.note_refused(reason, object.to_vec(), self.access.user.name().to_vec());
    }

    /// For a command that writes to keys which only show while it runs: the engine asks before it
    /// touches one.
    pub(super) fn guard_writes(
        &self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        txn: &mut Transaction<'_>,
    ) {
        use CommandId as C;
        if self.access.is_free {
            // Within EXEC it may have become so.
            if self.is_in_exec {
                txn.guard_writes(None);
            }
            return;
        }
        let writes_elsewhere = matches!(
            spec.id,
            C::XdlqRequeue
                | C::XgroupCfgset
                | C::XgroupCreate
                | C::Restore
                | C::Copy
                | C::Rename
                | C::Renamenx
                | C::Move
        );
        if !writes_elsewhere {
            return;
        }
        let (user, db) = (Arc::clone(&self.access.user), self.db);
        let args: Vec<Box<[u8]>> = args.iter().map(|&argument| argument.into()).collect();
        let (shared, client) = (Arc::clone(&self.shared), Arc::clone(&self.client));
        let context = self.context();
        txn.guard_writes(Some(Box::new(move |key| {
            let args: Vec<&[u8]> = args.iter().map(|argument| &**argument).collect();
            let may_write = user.may_write(&Request { spec, args: &args, db }, key);
            if !may_write {
                shared.acl.denied.keys.fetch_add(1, Ordering::Relaxed);
                let (object, user) = (key.to_vec(), user.name().to_vec());
                add_to_log(&shared, &client, Refused { reason: "key", context, object, user });
            }
            may_write
        })));
    }
}

impl Session {
    /// To a read that was parked and may not go on.
    pub(super) fn refusal_of_wait(&mut self, read: &ParkedRead, request: &ReadRequest) -> Reply {
        self.refresh_user();
        let refused = self.refusal(read.spec, &words(read, request));
        // Allowed again by now, or its user is gone.
        refused.map_or(Reply::error(NO_LONGER), |(_, reply)| reply)
    }
}

fn add_to_log(shared: &Shared, client: &Client, refused: Refused) {
    let mut info = String::new();
    client_command::describe(client, &mut info);
    let now_ms = u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX);
    shared.acl.log.add(refused, info.trim_end().to_owned(), now_ms);
}

/// A command line that rules judge as the one that was given.
fn words<'a>(read: &'a ParkedRead, request: &'a ReadRequest) -> Vec<&'a [u8]> {
    // No option has more than two values, and neither of these is the name of one.
    let mut args = vec![read.spec.name.as_bytes(), &read.first_argument, b"0", b"0", b"STREAMS"];
    args.extend(request.streams.iter().map(|stream| &stream.key[..]));
    args.extend(request.streams.iter().map(|_| &b"$"[..]));
    args
}

/// Whether a connection may go on waiting for a read, by the rules of now.
pub(super) fn may_wait(shared: &Shared, read: &ParkedRead, request: &ReadRequest) -> bool {
    let user = Arc::clone(&read.client.facts.lock().user);
    if shared.acl.is_process(&user) {
        return true;
    }
    // Of a user that is gone the connections are being closed.
    let Some(user) = shared.acl.get(user.name()) else { return false };
    let args = words(read, request);
    user.check(&Request { spec: read.spec, args: &args, db: request.db }).is_ok()
}
