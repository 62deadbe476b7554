//! `millstream produce`: entries from the command line, a file or standard input, on Millstream,
//! Redis or Valkey.

mod entry_line;
mod field_argument;
mod input;
mod pace;
mod progress;
mod sending;

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context as _;
use millstream::Producer;
use serde::Serialize;

use self::entry_line::LineForm;
use self::input::Source;
use self::sending::{Order, Sent};
use crate::client_command::{self, OnInterrupt};
use crate::duration::parse_duration;
use crate::interrupts::Interrupts;
use crate::name::Name;
use crate::output::{JsonBytes, entries, print_json, print_line};
use crate::server::{Server, ServerOptions};
use crate::usage_error::usage;

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream produce orders order_id=7 amount=99.90
  millstream produce orders --json - < orders.jsonl
  millstream produce orders orders.jsonl --resume orders-of-today --retry-for 10m
  tail -f app.log | millstream produce log --lines text - --maxlen 1000000

Each line of a file is a JSON object: texts are taken as they are, numbers and true and false as
they are written, null is a field that is missing, and lists and objects become compact JSON.
{\"b64\": \"...\"} stands for bytes, and a list of pairs for an object with a name twice: so lines
that `millstream stream tail --json` prints as fields are understood.

With --resume each entry of the file is added once, however often the command ends half-way and is
run again, and whatever ended it: docs/command-line.md says what that rests on.";

/// What to add, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct ProduceOptions {
    /// Key of the stream, which is made by its first entry
    stream: OsString,
    /// The fields of one entry; or a file that has one in each line, - for standard input. What
    /// has no = in it is a file
    #[arg(value_name = "FIELD=VALUE|FILE", required = true)]
    what: Vec<OsString>,
    /// Take each line of the file as it is, for the value of this field, in place of JSON
    #[arg(long, value_name = "FIELD")]
    lines: Option<OsString>,
    /// Keep the newest so many entries of the stream, about: each addition removes the oldest
    /// beyond them, whether groups have read them or not
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    maxlen: Option<u64>,
    /// Fail if the stream is not there, in place of making it
    #[arg(long)]
    must_exist: bool,
    /// Add each entry of the file once: goes on where an earlier run with this name ended, and the
    /// first one is given it, too. The name is remembered for 30 days after the last entry
    #[arg(long, value_name = "NAME")]
    resume: Option<String>,
    /// While the server is away, try again for so long, such as 10m; default: not at all
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "resume")]
    retry_for: Option<Duration>,
    /// Add so many entries of the file in a second, at most
    #[arg(long, value_name = "COUNT")]
    rate: Option<NonZeroU32>,
    #[command(flatten)]
    server: ServerOptions,
}

/// One entry.
#[derive(Serialize)]
struct OneDocument {
    stream: JsonBytes,
    id: String,
}

/// Those of a file.
#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    added: u64,
    /// Those that an earlier run had added.
    passed_over: u64,
    first_id: Option<String>,
    last_id: Option<String>,
}

pub(crate) fn run_produce(options: ProduceOptions) -> anyhow::Result<()> {
    // What is under way when a signal comes is waited for.
    client_command::run(OnInterrupt::Itself, produce(&options))
}

async fn produce(options: &ProduceOptions) -> anyhow::Result<()> {
    let ProduceOptions { server, what, .. } = options;
    let key = server.name(&options.stream)?;
    let interrupts = Interrupts::watch().context("watch for signals")?;
    let source = match &what[..] {
        [only] => Source::of_argument(only),
        _ => None,
    };
    match source {
        Some(source) => {
            let form = match &options.lines {
                Some(field) => LineForm::Plain(server.name(field)?),
                None => LineForm::Json,
            };
            // Before anything is asked of a server.
            let source = source.open()?;
            let server_there = interrupts.unless_any(connect(options, &key)).await?;
            let order = Order {
                key: &key,
                producer: producer(options, &server_there, &key),
                resume: options.resume.as_deref(),
                retry_for: options.retry_for.unwrap_or_default(),
                rate: options.rate,
            };
            let sent = sending::send_all(&server_there, order, source, form, interrupts).await?;
            print_sent(&key, server.json, sent)
        }
        None => {
            for (is_given, option) in [
                (options.lines.is_some(), "--lines"),
                (options.resume.is_some(), "--resume"),
                (options.rate.is_some(), "--rate"),
            ] {
                if is_given {
                    return Err(usage(format!("{option} is for entries of a file")));
                }
            }
            let fields = field_argument::parse_all(server, what)?;
            let server_there = interrupts.unless_any(connect(options, &key)).await?;
            let id = producer(options, &server_there, &key).add(&fields).await;
            let id = id.map_err(server_there.cannot(format!("add to stream {key}")))?;
            let id = id.to_string();
            match server.json {
                true => print_json(&OneDocument { stream: key.json(), id })?,
                false => print_line(&id)?,
            }
            Ok(())
        }
    }
}

async fn connect(options: &ProduceOptions, key: &Name) -> anyhow::Result<Server> {
    let server = options.server.connect().await?;
    if options.must_exist {
        let info = server.stream(key).info().await;
        let info = info.map_err(server.cannot(format!("look at stream {key}")))?;
        info.ok_or_else(|| server.no_stream(key))?;
    }
    Ok(server)
}

fn producer(options: &ProduceOptions, server: &Server, key: &Name) -> Producer {
    let producer = Producer::new(&server.millstream, key);
    match options.maxlen {
        Some(about) => producer.max_len(about),
        None => producer,
    }
}

fn print_sent(key: &Name, is_json: bool, sent: Sent) -> anyhow::Result<()> {
    let Sent { added, passed_over, first_id, last_id, .. } = sent;
    if is_json {
        let [first_id, last_id] = [first_id, last_id].map(|id| id.map(|id| id.to_string()));
        print_json(&Document { stream: key.json(), added, passed_over, first_id, last_id })?;
        return Ok(());
    }
    let last = last_id.map_or_else(String::new, |id| format!(", the last {id}"));
    let before = match passed_over {
        0 => String::new(),
        count => format!("; {} had been added before", entries(count)),
    };
    let were = if added == 1 { "was" } else { "were" };
    print_line(&format!("{} {were} added to {key}{last}{before}", entries(added)))?;
    Ok(())
}
