//! The commands that talk to a server, as people and programs meet them: the built binary against
//! Millstream, Redis and Valkey, all of what it prints, and its exit codes.
//!
//! Each case runs on each server. Keys and ids are the case's own, so all is compared as it stands
//! but for times and sizes, which are named instead ([`shown`]).

#[path = "client_commands/bench.rs"]
mod bench;
#[path = "support/console_examples.rs"]
mod console_examples;
#[path = "client_commands/consumers.rs"]
mod consumers;
#[path = "client_commands/dead_letters.rs"]
mod dead_letters;
#[path = "client_commands/doctor.rs"]
mod doctor;
#[path = "client_commands/documented.rs"]
mod documented;
#[path = "client_commands/failures.rs"]
mod failures;
#[path = "client_commands/full.rs"]
mod full;
#[path = "client_commands/groups.rs"]
mod groups;
#[path = "client_commands/many.rs"]
mod many;
#[path = "client_commands/pending.rs"]
mod pending;
#[path = "client_commands/place.rs"]
mod place;
#[path = "client_commands/produce.rs"]
mod produce;
#[path = "client_commands/rights.rs"]
mod rights;
#[path = "client_commands/schedule.rs"]
mod schedule;
#[path = "client_commands/screen.rs"]
mod screen;
#[path = "client_commands/shown.rs"]
mod shown;
#[path = "client_commands/streams.rs"]
mod streams;
#[path = "client_commands/tls.rs"]
mod tls;
#[path = "client_commands/top.rs"]
mod top;
#[path = "client_commands/transfer.rs"]
mod transfer;
#[path = "client_commands/transfer_meanwhile.rs"]
mod transfer_meanwhile;
#[path = "client_commands/transfer_refusals.rs"]
mod transfer_refusals;
#[path = "client_commands/work.rs"]
mod work;

/// A test of each case on each server.
macro_rules! on_all_servers {
    ($($case:ident),+ $(,)?) => {
        mod on_millstream {
            crate::on_server!("millstream", $($case),+);
        }
        mod on_redis_8_2 {
            crate::on_server!("redis-8.2", $($case),+);
        }
        mod on_valkey_9_1 {
            crate::on_server!("valkey-9.1", $($case),+);
        }
    };
}
pub(crate) use on_all_servers;

macro_rules! on_server {
    ($server:literal, $($case:ident),+) => {
        $(
            #[test]
            fn $case() {
                if let Some(place) = crate::place::Place::start($server) {
                    super::$case(&place);
                }
            }
        )+
    };
}
pub(crate) use on_server;
