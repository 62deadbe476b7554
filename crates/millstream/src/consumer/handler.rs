//! The handler of a consumer, whatever form its program gave it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::done::Done;
use super::handler_error::HandlerError;
use crate::Message;

pub(super) type Handling<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What became of a message.
pub(super) type Outcome = Result<Done, HandlerError>;
pub(super) type EachHandler = dyn Fn(Message) -> Handling<Outcome> + Send + Sync;
type BatchHandler = dyn Fn(Vec<Message>) -> Handling<Vec<Outcome>> + Send + Sync;

/// How often it is called, and with what.
#[derive(Clone)]
pub(super) enum Handler {
    /// With each message.
    Each(Arc<EachHandler>),
    /// With several at once; returns what became of each of them.
    Batches(Arc<BatchHandler>),
}

/// Why a handler did not do it: what it says, or its panic.
pub(super) type Failure = Result<HandlerError, Box<dyn Any + Send>>;

impl Handler {
    /// Runs it to its end, a panic included. One message for each, some for batches.
    pub(super) async fn run(&self, mut messages: Vec<Message>) -> Vec<Result<Done, Failure>> {
        let count = messages.len();
        match self {
            Self::Each(handler) => {
                assert_eq!(count, 1, "each message is handled alone");
                let message = messages.remove(0);
                vec![finish(|| handler(message)).await]
            }
            Self::Batches(handler) => match caught(|| handler(messages)).await {
                Ok(all) => {
                    assert_eq!(all.len(), count, "something becomes of each message");
                    all.into_iter().map(|done| done.map_err(Ok)).collect()
                }
                Err(panic) => {
                    let text = panic_text(&*panic);
                    let again = || -> Box<dyn Any + Send> { Box::new(text.clone()) };
                    (0..count).map(|_| Err(Err(again()))).collect()
                }
            },
        }
    }
}

/// The handling of one message that was begun, and polled once.
pub(super) enum Begun {
    Ended(Result<Done, Failure>),
    Goes(Handling<Outcome>),
}

impl Begun {
    /// Begins it, with the context of the task that calls.
    pub(super) fn new(
        handler: &EachHandler,
        message: Message,
        context: &mut std::task::Context<'_>,
    ) -> Self {
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let mut handling = handler(message);
            match handling.as_mut().poll(context) {
                Poll::Ready(done) => Self::Ended(done.map_err(Ok)),
                Poll::Pending => Self::Goes(handling),
            }
        }));
        begun.unwrap_or_else(|panic| Self::Ended(Err(Err(panic))))
    }
}

/// Runs one message's handling to its end.
pub(super) async fn finish(begin: impl FnOnce() -> Handling<Outcome>) -> Result<Done, Failure> {
    let done = caught(begin).await;
    done.map_err(Err).and_then(|done| done.map_err(Ok))
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// The error is a panic.
async fn caught<T>(begin: impl FnOnce() -> Handling<T>) -> Result<T, Box<dyn Any + Send>> {
    let mut running = catch_unwind(AssertUnwindSafe(begin))?;
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// How many messages a handler gets at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchSize {
    pub(super) max: usize,
    /// A batch that is not full waits so long for more.
    pub(super) linger: Duration,
}
