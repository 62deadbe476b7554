//! A server with replicas, one of which takes its place when it fails: Sentinels know which.
//!
//! Commands go to whoever is the master by the word of a Sentinel and by its own. What a server
//! refuses because it is a replica (READONLY) or not ready (LOADING) it did not do: that is sent
//! again, to the master of then, for 10 s at most. What may have been done is never sent again.
//!
//! A master that was cut off and does not know it yet takes writes until it hears of the other one,
//! and loses them then: that is so with every client of Sentinel. `min-replicas-to-write` on the
//! servers makes that time short; [`Millstream::with_replicas`](crate::Millstream::with_replicas)
//! tells what has a replica.
//!
//! Tests: `tests/it/sentinel`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value, cmd};

use super::address::{Access, HostPort};
use super::link::{Link, LinkReader, Whereabouts};
use super::retrying::{Retrying, is_hopeless, is_not_now};
use super::{Backend, Promise, Reader, Replicas};
use crate::Error;
use crate::reply::{self, NotUnderstood};

/// A Sentinel, or who it says is the master, that does not answer within this is passed over.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub(crate) struct SentinelBackend {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    access: Access,
    service: String,
    /// Who answered last comes first.
    sentinels: Mutex<Vec<Arc<Link>>>,
    master: Mutex<Option<Master>>,
    /// One asks for all.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Master {
    address: HostPort,
    link: Arc<Link>,
    is_doubtful: bool,
}

/// Why there is no answer.
enum Failure {
    Unsent(Error),
    Sent(Error),
}

impl SentinelBackend {
    /// Asks these Sentinels for the master of that name.
    ///
    /// # Errors
    /// [`Error::Configuration`]: they know nobody of that name. [`Error::Connection`]: none of them
    /// answers, or the master does not. [`Error::Refused`].
    pub(super) async fn connect(
        access: Access,
        service: String,
        to_sentinels: &Access,
        sentinels: &[HostPort],
    ) -> Result<Self, Error> {
        let links: Result<Vec<_>, Error> = sentinels
            .iter()
            .map(|sentinel| Ok(Arc::new(to_sentinels.link_of(sentinel)?)))
            .collect();
        let (sentinels, master) = (Mutex::new(links?), Mutex::new(None));
        let asking = tokio::sync::Mutex::default();
        let shared = Arc::new(Shared { access, service, sentinels, master, asking });
        shared.master().await?.current().await?;
        Ok(Self { shared })
    }

    /// Has the master do something, which is asked for again while nothing was done.
    async fn perform<T, F>(&self, work: impl Fn(Arc<Link>) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut retrying = Retrying::begin();
        loop {
            let done = match self.shared.master().await {
                Ok(link) => work(link).await,
                Err(error) => Err(Failure::Unsent(error)),
            };
            let error = match done {
                Ok(done) => return Ok(done),
                Err(Failure::Unsent(error)) if is_hopeless(&error) => return Err(error),
                Err(Failure::Sent(error)) if !is_not_now(&error) => {
                    if matches!(error, Error::Connection(_)) {
                        self.shared.doubt();
                    }
                    return Err(error);
                }
                Err(Failure::Unsent(error) | Failure::Sent(error)) => error,
            };
            self.shared.doubt();
            retrying.note(error)?;
            retrying.wait().await;
        }
    }

    /// Of commands that are no transaction the master may have done some before it was none any
    /// more: only the others are sent again.
    async fn perform_several(&self, commands: Vec<&Cmd>) -> Result<Vec<Value>, Error> {
        let answers: Mutex<Vec<Option<Value>>> =
            Mutex::new(commands.iter().map(|_| None).collect());
        let (all, known) = (&commands, &answers);
        self.perform(move |link: Arc<Link>| async move {
            let current = link.current().await.map_err(Failure::Unsent)?;
            let is_open = |index: &usize| known.lock()[*index].is_none();
            let open: Vec<usize> = (0..all.len()).filter(is_open).collect();
            let mut some = redis::pipe();
            open.iter().for_each(|index| _ = some.add_command(all[*index].clone()));
            let got = link.run_each_on(current, &some).await.map_err(Failure::Sent)?;
            let mut refused = None;
            for (index, answer) in open.into_iter().zip(got) {
                match Error::of(&answer).filter(is_not_now) {
                    Some(error) => _ = refused.get_or_insert(error),
                    None => known.lock()[index] = Some(answer),
                }
            }
            refused.map_or(Ok(()), |error| Err(Failure::Sent(error)))
        })
        .await?;
        let answers = answers.into_inner().into_iter().flatten();
        answers.map(|answer| Ok(answer.extract_error()?)).collect()
    }
}

impl Shared {
    fn doubt(&self) {
        if let Some(master) = &mut *self.master.lock() {
            master.is_doubtful = true;
        }
    }

    fn known(&self) -> Option<Arc<Link>> {
        let master = self.master.lock();
        master.as_ref().filter(|it| !it.is_doubtful).map(|it| Arc::clone(&it.link))
    }

    async fn master(&self) -> Result<Arc<Link>, Error> {
        if let Some(link) = self.known() {
            return Ok(link);
        }
        let _asking = self.asking.lock().await;
        if let Some(link) = self.known() {
            return Ok(link);
        }
        let address = self.ask_sentinels().await?;
        let same = self.master.lock().as_ref().filter(|it| it.address == address).cloned();
        let link = match same {
            Some(master) => master.link,
            None => Arc::new(self.access.link_of(&address)?),
        };
        // A Sentinel may not have heard of it yet that another one has taken over.
        let role = link.run_within(ANSWER_LIMIT, &cmd("ROLE")).await?;
        let role = reply::array(role).map_err(NotUnderstood::of("ROLE"))?;
        if role.first().and_then(|word| reply::text(word).ok()) != Some("master") {
            let text = "who was the master is a replica".to_owned();
            return Err(Error::Refused { code: "READONLY".to_owned(), text });
        }
        let master = Master { address, link: Arc::clone(&link), is_doubtful: false };
        *self.master.lock() = Some(master);
        Ok(link)
    }

    async fn ask_sentinels(&self) -> Result<HostPort, Error> {
        let all = self.sentinels.lock().clone();
        let ask = cmd("SENTINEL").arg(&["GET-MASTER-ADDR-BY-NAME", &self.service]).to_owned();
        let mut failed = None;
        for (place, sentinel) in all.iter().enumerate() {
            let answer = match sentinel.run_within(ANSWER_LIMIT, &ask).await {
                Ok(Value::Nil) => {
                    let text = format!("the Sentinels know no {}", self.service);
                    // Once they did: they are being told anew what to watch.
                    let was_known = self.master.lock().is_some();
                    failed.get_or_insert(if was_known {
                        Error::Connection(text.into())
                    } else {
                        Error::Configuration(text)
                    });
                    continue;
                }
                Ok(answer) => answer,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            self.sentinels.lock().swap(0, place);
            return parse(answer).map_err(NotUnderstood::of("SENTINEL"));
        }
        Err(failed.unwrap_or_else(|| Error::Connection("there is no Sentinel".into())))
    }
}

fn parse(answer: Value) -> Result<HostPort, NotUnderstood> {
    let parts = reply::array(answer)?;
    let [host, port] = &parts[..] else { return Err(NotUnderstood) };
    let port = u16::try_from(reply::count(port)?).map_err(|_| NotUnderstood)?;
    Ok(HostPort { host: reply::text(host)?.to_owned(), port })
}

impl Backend for SentinelBackend {
    fn run<'a>(&'a self, command: &'a Cmd) -> Promise<'a, Value> {
        Box::pin(self.perform(move |link: Arc<Link>| async move {
            let current = link.current().await.map_err(Failure::Unsent)?;
            link.run_on(current, command).await.map_err(Failure::Sent)
        }))
    }

    fn run_all<'a>(&'a self, commands: &'a Pipeline) -> Promise<'a, Vec<Value>> {
        if !commands.is_transaction() {
            return Box::pin(self.perform_several(commands.cmd_iter().collect()));
        }
        Box::pin(self.perform(move |link: Arc<Link>| async move {
            let current = link.current().await.map_err(Failure::Unsent)?;
            link.run_all_on(current, commands).await.map_err(Failure::Sent)
        }))
    }

    fn run_replicated<'a>(
        &'a self,
        command: &'a Cmd,
        replicas: Replicas,
    ) -> Promise<'a, (Value, u64)> {
        Box::pin(self.perform(move |link: Arc<Link>| async move {
            let waiting = link.waiting().await.map_err(Failure::Unsent)?;
            let done = link.run_replicated_on(waiting, command, replicas, false).await;
            done.map_err(Failure::Sent)
        }))
    }

    fn reader<'a>(&'a self, _stream: &'a [u8]) -> Promise<'a, Box<dyn Reader>> {
        Box::pin(async move {
            let at = Whereabouts::default();
            let mut reader = SentinelReader { shared: Arc::clone(&self.shared), reader: None, at };
            reader.connect().await?;
            Ok(Box::new(reader) as Box<dyn Reader>)
        })
    }
}

/// A connection for reads that block, to whoever is the master.
struct SentinelReader {
    shared: Arc<Shared>,
    reader: Option<LinkReader>,
    at: Whereabouts,
}

impl SentinelReader {
    async fn connect(&mut self) -> Result<&mut LinkReader, Error> {
        if self.reader.is_none() {
            let link = self.shared.master().await?;
            let reader = LinkReader::connect(&link).await.inspect_err(|_| self.shared.doubt())?;
            return Ok(self.reader.insert(reader));
        }
        self.reader.as_mut().ok_or(Error::Answer("XREADGROUP"))
    }

    async fn follow(&mut self, command: &Cmd, longest: Duration) -> Result<Value, Error> {
        let at = self.at.clone();
        let reader = self.connect().await?;
        at.begins(reader);
        let answer = reader.read(command, longest).await;
        at.ended();
        if let Err(error) = &answer
            && (matches!(error, Error::Connection(_)) || is_not_now(error))
        {
            // The next read finds out who it is then.
            self.reader = None;
            self.shared.doubt();
        }
        answer
    }
}

impl Reader for SentinelReader {
    fn read<'a>(&'a mut self, command: &'a Cmd, longest: Duration) -> Promise<'a, Value> {
        Box::pin(self.follow(command, longest))
    }

    fn unblock(&self) -> Promise<'static, ()> {
        self.at.unblock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_what_a_sentinel_says() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = Value::Array(vec![bulk("10.0.0.1"), bulk("6380")]);
        let address = HostPort { host: "10.0.0.1".to_owned(), port: 6380 };
        assert_eq!(parse(answer), Ok(address));
        assert!(parse(Value::Array(vec![bulk("a")])).is_err());
    }
}
