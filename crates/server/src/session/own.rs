//! Dispatch to the commands that are the session's own: the connection, the server, transactions.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use millstream_command::table::{CommandId, CommandSpec};
use millstream_command::{Reply, introspection};
use millstream_engine::{Engine, LogPosition, Now, Transaction};
use millstream_runtime::saving;

use super::Session;
use super::blocking::{ReplicaWait, WaitKind, Waiting};
use super::execute::Step;
use crate::{
    acl_command, backup_command, client_command, config_command, debug_command, hello, info,
    latency_command, lolwut, memory_command, save_command, server_command, slowlog_command,
    tracking,
};

const RELOAD_IN_EXEC: &str = "ERR not allowed inside a transaction";
const REWRITE_IN_EXEC: &str = "ERR CONFIG REWRITE is not allowed inside a transaction: nobody else \
could do anything while the file is written";

/// The engine as a session's command meets it: held already (inside EXEC), or free.
pub(crate) struct Data<'a, 'e> {
    held: Option<&'a mut Transaction<'e>>,
    engine: &'a Engine,
    now: Now,
    /// For the engine.
    waited: Duration,
}

impl Data<'_, '_> {
    pub(crate) fn now(&self) -> Now {
        self.now
    }

    /// Whether this is inside EXEC.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Runs something with the engine held.
    pub(crate) fn with<T>(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        match &mut self.held {
            Some(txn) => work(txn),
            None => {
                let started = Instant::now();
                let mut txn = self.engine.lock(self.now);
                self.waited += started.elapsed();
                work(&mut txn)
            }
        }
    }
}

impl Session {
    /// Runs a command that is not about data, with the engine free.
    pub(super) fn run_own(&mut self, spec: &'static CommandSpec, args: &[&[u8]], now: Now) -> Step {
        let step = self.run_own_untimed(spec, args, now);
        // EXEC counts itself with what it runs, and what waits is counted later.
        if step == Step::Next && spec.id != CommandId::Exec {
            self.lap(spec, args);
        }
        // It may have been refused after it was put off.
        if step == Step::Next && spec.id == CommandId::Exec {
            self.forget_put_off();
        }
        self.serve_penalty(step)
    }

    fn run_own_untimed(&mut self, spec: &'static CommandSpec, args: &[&[u8]], now: Now) -> Step {
        let reply = match spec.id {
            CommandId::Multi => self.begin_multi(),
            CommandId::Exec => return self.exec(spec, now),
            CommandId::Discard => self.discard_multi(),
            CommandId::Watch => {
                let (reply, position) = self.watch(args, now);
                self.answer(Some(spec), reply, position);
                return Step::Next;
            }
            CommandId::Wait | CommandId::Waitaof => return self.wait_for_copies(spec, args),
            CommandId::Debug => return self.debug(spec, args, now),
            CommandId::Save => return self.save(spec),
            CommandId::ClientReply => match self.client_reply(args) {
                Some(reply) => reply,
                None => return Step::Next,
            },
            CommandId::Shutdown => match server_command::shutdown(args) {
                Ok(()) => {
                    self.shared.stop();
                    self.is_closing = true;
                    return Step::Next;
                }
                Err(reply) => reply,
            },
            CommandId::Monitor => match self.begin_monitoring() {
                Some(reply) => reply,
                None => return Step::Next,
            },
            _ => {
                let engine = self.shared.store.engine.clone();
                let mut data = Data { held: None, engine: &engine, now, waited: Duration::ZERO };
                let reply = self.run_simple(spec, args, &mut data);
                self.skip_wait(data.waited);
                reply
            }
        };
        self.answer(Some(spec), reply, LogPosition::ZERO);
        Step::Next
    }

    /// The same inside EXEC, where nothing waits.
    pub(super) fn run_own_queued(
        &mut self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        txn: &mut Transaction<'_>,
    ) -> Reply {
        match spec.id {
            CommandId::Monitor => {
                Reply::error("ERR MONITOR isn't allowed for DENY BLOCKING client")
            }
            CommandId::Wait | CommandId::Waitaof => server_command::parse_wait(self, spec, args)
                .map_or_else(|reply| reply, |request| request.at_once(self)),
            CommandId::Debug if debug_command::reloads(args) => Reply::error(RELOAD_IN_EXEC),
            CommandId::Debug => debug_command::run(self, args, txn),
            // Within EXEC's reply each command has its place.
            CommandId::ClientReply => self.client_reply(args).unwrap_or(Reply::OK),
            _ => {
                let engine = self.shared.store.engine.clone();
                let now = txn.now();
                let waited = Duration::ZERO;
                let mut data = Data { held: Some(txn), engine: &engine, now, waited };
                self.run_simple(spec, args, &mut data)
            }
        }
    }

    fn run_simple(
        &mut self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        data: &mut Data<'_, '_>,
    ) -> Reply {
        use CommandId as C;
        // Inside EXEC it is EXEC that is shown.
        if matches!(spec.id, C::ClientInfo | C::ClientList) && !data.is_held() {
            self.update_facts(|facts| facts.last_command = Some(spec));
        }
        match spec.id {
            C::Ping => server_command::ping(args),
            C::Echo => Reply::bulk(args[1].to_vec()),
            C::Quit => {
                self.is_closing = true;
                Reply::OK
            }
            C::Unwatch => self.unwatch(),
            C::Hello => hello::hello(self, args),
            C::Auth => hello::auth(self, args),
            C::Reset => hello::reset(self),
            C::Select => hello::select(self, args),
            C::Info => info::info(self, args, data),
            C::Time => server_command::time(),
            C::Role => server_command::role(),
            C::Command => introspection::all(),
            C::CommandCount => introspection::count(),
            C::CommandDocs => introspection::docs(args),
            C::CommandGetkeys => introspection::get_keys(args),
            C::CommandGetkeysandflags => introspection::get_keys_and_flags(args),
            C::CommandInfo => introspection::info(args),
            C::CommandList => introspection::list(args),
            C::CommandHelp => introspection::help::command(),
            C::ConfigHelp => introspection::help::config(),
            C::ClientHelp => introspection::help::client(),
            C::SlowlogHelp => introspection::help::slowlog(),
            C::LatencyHelp => introspection::help::latency(),
            C::MemoryHelp => introspection::help::memory(),
            C::XdlqHelp => introspection::help::xdlq(),
            C::XgroupHelp => introspection::help::xgroup(),
            C::XinfoHelp => introspection::help::xinfo(),
            C::XscheduleHelp => introspection::help::xschedule(),
            C::ConfigGet => config_command::get(self, args, data),
            C::ConfigSet => config_command::set(self, args, data),
            C::ConfigRewrite if data.is_held() => Reply::error(REWRITE_IN_EXEC),
            C::ConfigRewrite => config_command::rewrite(self),
            C::ConfigResetstat => config_command::reset_statistics(self, data),
            C::SlowlogGet => slowlog_command::get(self, args),
            C::SlowlogLen => slowlog_command::len(self),
            C::SlowlogReset => slowlog_command::reset(self),
            C::LatencyLatest => latency_command::latest(self),
            C::LatencyHistory => latency_command::history(self, args),
            C::LatencyReset => latency_command::reset(self, args),
            C::LatencyGraph => latency_command::graph(self, args),
            C::LatencyDoctor => latency_command::doctor(self),
            C::LatencyHistogram => latency_command::histogram(self, args),
            C::MemoryStats => memory_command::stats(self, data),
            C::MemoryDoctor => memory_command::doctor(self, data),
            C::MemoryMallocStats => memory_command::allocator(self, data),
            C::MemoryPurge => Reply::OK,
            C::ClientId => Reply::number(self.client.id),
            C::ClientGetname => client_command::get_name(self),
            C::ClientSetname => client_command::set_name(self, args),
            C::ClientSetinfo => client_command::set_info(self, args),
            C::ClientInfo => client_command::info(self),
            C::ClientList => client_command::list(self, args),
            C::ClientKill => client_command::kill(self, args),
            C::ClientUnblock => client_command::unblock(self, args),
            C::ClientNoEvict => client_command::no_evict(self, args),
            C::ClientNoTouch => client_command::no_touch(self, args),
            C::ClientPause => client_command::pause(self, args, data),
            C::ClientUnpause => client_command::unpause(self, data),
            C::AclCat => acl_command::cat(args),
            C::AclDeluser => acl_command::delete_user(self, args, data),
            C::AclDryrun => acl_command::dry_run(self, args),
            C::AclGenpass => acl_command::generate_password(args),
            C::AclGetuser => acl_command::get_user(self, args),
            C::AclList => acl_command::list(self),
            C::AclLoad => acl_command::load(self, data),
            C::AclLog => acl_command::log(self, args),
            C::AclSave => acl_command::save(self, data),
            C::AclSetuser => acl_command::set_user(self, args, data),
            C::AclUsers => acl_command::users(self),
            C::AclWhoami => acl_command::who_am_i(self),
            C::ModuleList => Reply::Array(Vec::new()),
            C::Lolwut => lolwut::lolwut(args),
            C::AclHelp => introspection::help::acl(),
            C::ObjectHelp => introspection::help::object(),
            C::ModuleHelp => introspection::help::module(),
            C::BackupHelp => introspection::help::backup(),
            C::BackupPin => backup_command::pin(self),
            C::BackupUnpin => backup_command::unpin(self),
            C::Bgsave => save_command::bgsave(&self.shared, args, data.is_held()),
            C::Lastsave => Reply::number(saving::last_save_s(&self.shared.store)),
            C::Bgrewriteaof => save_command::bgrewriteaof(),
            C::ClientTracking => tracking::tracking(self, args),
            C::ClientTrackinginfo => tracking::info(),
            C::ClientGetredir => Reply::Int(-1),
            C::ClientCaching => tracking::caching(),
            // What is left stands in no table row of its own, or was run before.
            _ => Reply::error("ERR command not available here"),
        }
    }

    /// DEBUG
    fn debug(&mut self, spec: &'static CommandSpec, args: &[&[u8]], now: Now) -> Step {
        if !debug_command::is_allowed(self) {
            self.reject(spec, Reply::error(debug_command::NOT_ALLOWED));
            return Step::Next;
        }
        assert!(!debug_command::panics_alone(args), "DEBUG PANIC CONNECTION was asked for");
        let (reply, position) = if debug_command::reloads(args) {
            (debug_command::reload(&self.shared, args), LogPosition::ZERO)
        } else {
            let engine = self.shared.store.engine.clone();
            let mut txn = engine.lock(now);
            txn.begin();
            (debug_command::run(self, args, &mut txn), txn.finish())
        };
        self.answer(Some(spec), reply, position);
        Step::Next
    }

    /// SAVE
    fn save(&mut self, spec: &'static CommandSpec) -> Step {
        if let Some(refusal) = save_command::refusal(&self.shared) {
            self.answer(Some(spec), refusal, LogPosition::ZERO);
            return Step::Next;
        }
        // What ran before in this batch is saved, too.
        self.encode_replies();
        let until = saving::ask(&self.shared.store, false);
        if until <= self.shared.store.engine.durable() {
            self.answer(Some(spec), Reply::OK, LogPosition::ZERO);
            return Step::Next;
        }
        self.lap_blocked(spec, &[b"SAVE"]);
        self.client.is_postponed.store(true, Ordering::Release);
        let wait = ReplicaWait::new(Some(until), false, None, WaitKind::Save);
        self.begin_wait(Waiting::Replicas(wait), false);
        Step::Pause
    }

    fn wait_for_copies(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) -> Step {
        let request = match server_command::parse_wait(self, spec, args) {
            Ok(request) => request,
            Err(reply) => {
                self.answer(Some(spec), reply, LogPosition::ZERO);
                return Step::Next;
            }
        };
        if request.is_satisfied(self) {
            let reply = request.at_once(self);
            self.answer(Some(spec), reply, LogPosition::ZERO);
            return Step::Next;
        }
        if !self.may_block() {
            self.refuse_to_block(spec, LogPosition::ZERO);
            return Step::Next;
        }
        // What ran before in this batch is what is waited for.
        self.encode_replies();
        self.lap_blocked(spec, args);
        let wait = request.start(self);
        let has_deadline = wait.has_deadline();
        self.begin_wait(Waiting::Replicas(wait), has_deadline);
        Step::Pause
    }
}
