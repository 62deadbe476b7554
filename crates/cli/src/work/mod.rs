//! `millstream work`: a worker for any language, which runs a command for each entry of a group.

mod document;
mod drain;
mod environment;
pub(crate) mod guard;
mod job;
mod outlet;
mod program;
mod settings;
mod verdict;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use millstream::{ConsumerHealth, HealthReport, Message, Outcome};
use serde::Serialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::environment::Inherited;
use self::guard::Guard;
use self::job::Runner;
use self::outlet::{Outlet, OutputForm};
use self::program::Program;
use self::settings::WorkSettings;
use crate::client_command::{self, OnInterrupt};
use crate::interrupts::Interrupts;
use crate::logging;
use crate::output::{entries, notice, short, visible};
use crate::server::ServerOptions;

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream work orders billing -- ./bill.py
  millstream work orders billing --concurrency 8 --timeout 30s -- python3 bill.py --fast
  millstream work orders audit --drain -- sh -c 'echo $MILLSTREAM_FIELD_ORDER_ID'
  millstream work orders export --output plain -- jq -c .fields > orders.jsonl

The command gets the entry as one JSON document on standard input: id, stream, group, consumer,
deliveries, fields. Fields are variables, too: MILLSTREAM_FIELD_<NAME> in capitals, where the name
is letters, digits and _, and the value has no NUL and is at most 32 KiB long; and MILLSTREAM_ID,
_STREAM, _GROUP, _CONSUMER, _DELIVERIES.

Exit codes of the command: 0 acknowledges the entry; 65 makes it a dead letter; 75 tries it again
after --retry-delay, however often; everything else, a signal and --timeout are failures: tried
again after the backoff, and a dead letter in the end. The end of standard error is the error text.

SIGTERM or Ctrl-C: nothing else is begun, and what runs may end within --stop-timeout; a second one
ends it at once, and its entries go to others.";

/// What to run for which entries.
#[derive(Debug, clap::Args)]
#[command(mut_arg("timeout", |it| {
    it.long("answer-timeout").help("How long an answer of the server may take, such as 500ms or 1m")
}))]
pub(crate) struct WorkOptions {
    /// Key of the stream, which is made if it is not there
    stream: OsString,
    /// Name of the group, which is made if it is not there
    group: OsString,
    #[command(flatten)]
    settings: WorkSettings,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    server: ServerOptions,
}

/// For --json.
#[derive(Serialize)]
struct OutcomeDocument {
    id: String,
    deliveries: u64,
    outcome: &'static str,
}

pub(crate) fn run_work(options: WorkOptions) -> anyhow::Result<()> {
    let program = Program::find(&options.command)?;
    logging::start("warn");
    client_command::run(OnInterrupt::Itself, work(&options, program))
}

async fn work(options: &WorkOptions, program: Program) -> anyhow::Result<()> {
    let WorkOptions { server, settings, .. } = options;
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let interrupts = Interrupts::watch().context("watch for signals")?;
    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let form = if server.json { OutputForm::Json } else { settings.output };
    let (outlet, writer) = Outlet::open(form, stop.clone()).context("start the output thread")?;
    let hooked = outlet.clone();
    let prepared = interrupts.unless_any(async {
        let server = server.connect().await?;
        let mut builder = settings.builder(&server, &key, &group).await?;
        if hooked.is_json() {
            builder = builder.on_outcome(move |message, outcome| tell(&hooked, message, outcome));
        }
        let cannot = server.cannot(format!("take from group {group} of stream {key}"));
        let consumer = builder.build().await.map_err(cannot)?;
        Ok((server, consumer))
    });
    let (server, consumer) = prepared.await?;
    let runner = Arc::new(Runner {
        program,
        inherited: Inherited::look(),
        outlet,
        guard: Guard::start(settings.kill_after)?,
        limit: settings.time_limit,
        kill_after: settings.kill_after,
        retry_delay: settings.retry_delay,
        stop: stop.clone(),
        kill: kill.clone(),
    });
    let health = consumer.health();
    let name = visible(consumer.name().as_bytes());
    notice(&format!("consumer {name} of group {group} takes from {key}"));
    let (consumer_stop, stop_timeout) = (consumer.stop_token(), settings.stop_timeout);
    let ending = Ending { interrupts, stop, consumer_stop, kill, stop_timeout };
    tokio::spawn(ending.clone().run(health.clone()));
    let working = consumer.run(move |message: Message| {
        let runner = Arc::clone(&runner);
        async move { runner.run(message).await }
    });
    let drained = async {
        if settings.drain {
            drain::wait(&server, &key, &group).await;
            ending.stop.cancel();
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = working => ended,
        never = drained => never,
    };
    let written = writer.finish().await;
    notice(&counts(&health.report()));
    ended.map_err(server.cannot(format!("take from group {group} of stream {key}")))?;
    written
}

/// How it ends in order.
#[derive(Clone, Debug)]
struct Ending {
    interrupts: Interrupts,
    /// Where others say that it is to end.
    stop: CancellationToken,
    consumer_stop: CancellationToken,
    kill: CancellationToken,
    stop_timeout: Duration,
}

impl Ending {
    /// Tells the consumer and the commands that run, when they have to.
    async fn run(self, health: ConsumerHealth) {
        tokio::select! {
            () = self.interrupts.nth(1) => {}
            () = self.stop.cancelled() => {}
        }
        self.stop.cancel();
        self.consumer_stop.cancel();
        if health.report().in_hand > 0 {
            let limit = short(self.stop_timeout);
            notice(&format!(
                "ending: what runs may end within {limit}; a second signal ends it at once"
            ));
        }
        tokio::select! {
            () = self.interrupts.nth(2) => {}
            () = sleep(self.stop_timeout) => {}
        }
        self.kill.cancel();
    }
}

/// What became of everything.
fn counts(report: &HealthReport) -> String {
    let acknowledged = entries(report.acknowledged);
    let mut text = format!("{acknowledged} acknowledged");
    for (count, one, many) in [
        (report.failed, "failed try", "failed tries"),
        (report.dead_lettered, "dead letter", "dead letters"),
        (report.late, "done too late", "done too late"),
        (report.handed_back, "given back", "given back"),
    ] {
        if count > 0 {
            let what = if count == 1 { one } else { many };
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}

fn tell(outlet: &Outlet, message: &Message, outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Acknowledged => "acknowledged",
        Outcome::Late => "late",
        Outcome::Failed => "failed",
        Outcome::DeadLettered => "dead_lettered",
        Outcome::HandedBack => "given_back",
        _ => return,
    };
    let (id, deliveries) = (message.id().to_string(), message.deliveries());
    outlet.document(&OutcomeDocument { id, deliveries, outcome });
}
