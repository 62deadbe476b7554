//! How a worker goes about it.

use std::time::Duration;

use millstream::{
    Backoff, BackoffItem, ConsumerBuilder, Error, GroupPolicy, GroupStart, StreamConsumer,
};

use super::outlet::OutputForm;
use crate::duration::parse_duration;
use crate::group::parse_start;
use crate::name::Name;
use crate::output::notice;
use crate::server::Server;
use crate::setting::{Setting, parse_backoff_or_none};
use crate::usage_error::usage;

/// For what commands need to end after they were told to, and for telling the server.
const END_MARGIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct WorkSettings {
    /// Run so many commands at the same time; one keeps the order while nothing fails
    #[arg(long, short = 'c', value_name = "COUNT", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// End a command that takes longer, such as 30s, which is a failure; default: never
    #[arg(id = "time_limit", long = "timeout", value_name = "TIME", value_parser = parse_duration)]
    pub(super) time_limit: Option<Duration>,
    /// A command that is told to end (SIGTERM, to it and all that it started) is killed so much
    /// later
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(super) kill_after: Duration,
    /// When the worker is to end, commands that run have so long to end by themselves
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(super) stop_timeout: Duration,
    /// Run the command so often for an entry, at most; then it is a dead letter. In a group of
    /// Millstream that has a policy this, --visibility, --backoff and --dead-letters are the
    /// policy's [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    max_deliveries: Option<u32>,
    /// What a worker had that was not heard of for so long goes to others. As long as a command
    /// runs its worker is heard of [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    visibility: Option<Duration>,
    /// Let what failed wait: the first time, a factor for each time more, and the longest time;
    /// none: no wait [default: '1s 2 1m']
    #[arg(long, value_name = "BASE FACTOR MAX", value_parser = parse_backoff_or_none)]
    backoff: Option<Setting<BackoffItem>>,
    /// Let an entry wait so long whose command ended with 75, which is not counted as a delivery
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(super) retry_delay: Duration,
    /// Send dead letters to this stream [default: <stream>:dlq]
    #[arg(long, value_name = "STREAM")]
    dead_letters: Option<String>,
    /// Where the group begins if it has to be made: 0 (all that the stream has), $ (what is added
    /// from now on), or what comes after this id
    #[arg(long, value_name = "0|$|ID", default_value = "0", value_parser = parse_start)]
    start: GroupStart,
    /// Fail if the stream or the group is not there, or not any more, in place of making it
    #[arg(long)]
    must_exist: bool,
    /// Name of the consumer. It goes on with what it had when it is started again, and no two that
    /// run may have the same [default: the machine's name and the lowest number that no other
    /// worker of this group on it has]
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// Take so many entries more than commands run, to save time between two of them. Others do
    /// not get those meanwhile
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    prefetch: u32,
    /// End when the group has nothing left: neither what was not handed out, nor pending entries,
    /// whoever has them
    #[arg(long)]
    pub(super) drain: bool,
    /// How to print what commands print; on standard output and standard error as they do, in
    /// whole lines. With --json all goes to standard output, as JSON
    #[arg(long, value_name = "FORM", default_value = "prefixed")]
    pub(super) output: OutputForm,
}

impl WorkSettings {
    /// What the toolkit is asked for.
    ///
    /// # Errors
    /// A name is no text; there is no stream or group, where there must be.
    pub(super) async fn builder(
        &self,
        server: &Server,
        key: &Name,
        group: &Name,
    ) -> anyhow::Result<ConsumerBuilder> {
        let (stream_text, group_text) = (text(key)?, text(group)?);
        self.look(server, key, group).await?;
        let concurrency = self.concurrency as usize;
        let prefetch = self.prefetch as usize;
        let mut builder = StreamConsumer::builder(&server.millstream, stream_text, group_text)
            .concurrency(concurrency)
            .prefetch(prefetch)
            .count((concurrency + prefetch).min(100))
            .start(self.start)
            .shutdown_timeout(self.stop_timeout + self.kill_after + END_MARGIN);
        builder = match &self.consumer {
            Some(name) => builder.name(name),
            None => builder.free_slot(),
        };
        if self.must_exist {
            builder = builder.must_exist();
        }
        if let Some(max) = self.max_deliveries {
            builder = builder.max_retries(max);
        }
        if let Some(visibility) = self.visibility {
            builder = builder.claim_min_idle(visibility);
        }
        match self.backoff {
            None => {}
            Some(Setting(None)) => builder = builder.backoff(Backoff::NONE),
            Some(Setting(Some(BackoffItem { base, factor, max }))) => {
                let jitter = Backoff::default().jitter;
                builder = builder.backoff(Backoff { base, factor, max, jitter });
            }
        }
        if let Some(letters) = &self.dead_letters {
            builder = builder.dead_letters(letters);
        }
        Ok(builder)
    }

    /// Whether it is all there, and as it was asked for.
    async fn look(&self, server: &Server, key: &Name, group: &Name) -> anyhow::Result<()> {
        let cannot = server.cannot(format!("look at group {group} of stream {key}"));
        if server.stream(key).info().await.map_err(&cannot)?.is_none() {
            if self.must_exist {
                return Err(server.no_stream(key));
            }
            notice(&format!("there is no stream {key} yet; it is made, and waited for"));
            return Ok(());
        }
        if !server.millstream.abilities().are_told() {
            notice(
                "the server does not tell this user what it is (INFO), and is taken for one whose \
                 groups have no policies",
            );
        }
        let policy = match server.groups(key).policy(group).await {
            Ok(policy) => policy,
            Err(Error::NoGroup(_)) if self.must_exist => return Err(server.no_group(key, group)),
            Err(Error::NoGroup(_) | Error::Unsupported { .. }) => GroupPolicy::default(),
            Err(error) => return Err(cannot(error)),
        };
        if self.must_exist && policy == GroupPolicy::default() {
            let groups = server.groups(key).groups().await.map_err(&cannot)?;
            let name: &[u8] = group.as_ref();
            if !groups.iter().any(|it| it.name_bytes == name) {
                return Err(server.no_group(key, group));
            }
        }
        self.compare(&policy, key, group);
        Ok(())
    }

    /// Says which settings do not count, as the group has others.
    fn compare(&self, policy: &GroupPolicy, key: &Name, group: &Name) {
        if *policy == GroupPolicy::default() {
            return;
        }
        let backoff = policy.backoff.unwrap_or(Backoff::NONE);
        let other_backoff = |wanted: &Setting<BackoffItem>| match wanted.0 {
            None => backoff != Backoff::NONE,
            Some(BackoffItem { base, factor, max }) => {
                (base, factor, max) != (backoff.base, backoff.factor, backoff.max)
            }
        };
        let letters = self.dead_letters.as_ref();
        let differing = [
            (
                "--max-deliveries",
                self.max_deliveries.is_some_and(|it| policy.max_deliveries != Some(it)),
            ),
            ("--visibility", self.visibility.is_some_and(|it| policy.visibility != Some(it))),
            ("--backoff", self.backoff.as_ref().is_some_and(other_backoff)),
            ("--dead-letters", letters.is_some_and(|it| policy.dead_letters.as_ref() != Some(it))),
        ];
        for (option, _) in differing.into_iter().filter(|(_, differs)| *differs) {
            notice(&format!(
                "{option} does not count: group {group} of {key} has a policy with another one; \
                 `millstream group policy` changes it"
            ));
        }
    }
}

/// Workers have texts for names.
fn text(name: &Name) -> anyhow::Result<&str> {
    let bytes: &[u8] = name.as_ref();
    std::str::from_utf8(bytes).map_err(|_| {
        usage(format!("{name} is not UTF-8, which names of streams and groups are here"))
    })
}
