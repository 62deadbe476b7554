//! Dispatch to the commands that are the session's own: the connection, the server, transactions.

use millstream_command::table::{CommandId, CommandSpec};
use millstream_command::{Reply, introspection};
use millstream_engine::{Engine, LogPosition, Now, Transaction};

use super::Session;
use super::blocking::Waiting;
use super::execute::Step;
use crate::{client_command, config_command, hello, info, server_command};

/// The engine as a session's command meets it: held already (inside EXEC), or free.
pub(crate) struct Data<'a, 'e> {
    held: Option<&'a mut Transaction<'e>>,
    engine: &'a Engine,
    now: Now,
}

impl Data<'_, '_> {
    /// Runs something with the engine held.
    pub(crate) fn with<T>(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        match &mut self.held {
            Some(txn) => work(txn),
            None => work(&mut self.engine.lock(self.now)),
        }
    }
}

impl Session {
    /// Runs a command that is not about data, with the engine free.
    pub(super) fn run_own(&mut self, spec: &'static CommandSpec, args: &[&[u8]], now: Now) -> Step {
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
            CommandId::Shutdown => match server_command::shutdown(args) {
                Ok(()) => {
                    self.shared.stop();
                    self.is_closing = true;
                    return Step::Next;
                }
                Err(reply) => reply,
            },
            _ => {
                let engine = self.shared.engine.clone();
                self.run_simple(spec, args, &mut Data { held: None, engine: &engine, now })
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
            CommandId::Wait | CommandId::Waitaof => server_command::parse_wait(self, spec, args)
                .map_or_else(|reply| reply, |request| request.at_once(self)),
            _ => {
                let engine = self.shared.engine.clone();
                let now = txn.now();
                self.run_simple(spec, args, &mut Data { held: Some(txn), engine: &engine, now })
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
        if matches!(spec.id, C::ClientInfo | C::ClientList) {
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
            C::XgroupHelp => introspection::help::xgroup(),
            C::XinfoHelp => introspection::help::xinfo(),
            C::ConfigGet => config_command::get(self, args, data),
            C::ConfigSet => config_command::set(self, args, data),
            C::ConfigResetstat => config_command::reset_statistics(self, data),
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
            // What is left stands in no table row of its own, or was run before.
            _ => Reply::error("ERR command not available here"),
        }
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
        // What ran before in this batch is what is waited for.
        self.encode_replies();
        self.blocked_command = Some(spec);
        let wait = request.start(self);
        self.begin_wait(Waiting::Replicas(wait));
        Step::Pause
    }
}
