//! Beginning to handle messages: whose turn it is, and what is done before there is a task for it.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::OwnedSemaphorePermit;

use super::done::Done;
use super::handler::{Begun, Failure, Handler, Handling, finish};
use super::observed::Observed;
use super::slots::{Slot, Slots};
use super::worker::{Taken, Work, Worker};

/// Allows a handler to begin.
pub(super) struct Go {
    pub(super) slot: Slot,
    /// Kept over all tries.
    pub(super) _turn: Option<OwnedSemaphorePermit>,
}

/// Messages whose handler has something to wait for, or was not begun.
pub(super) struct Unfinished {
    pub(super) some: Vec<Taken>,
    pub(super) go: Go,
    pub(super) begun: Option<(Handling<Result<Done, Failure>>, Observed)>,
}

/// What became of messages that were begun.
pub(super) enum Handled {
    /// All is done that is to be done; whoever comes next may begin as well.
    AtOnce(Go),
    Not(Unfinished),
}

impl Worker {
    /// What a handler needs to begin. Its turn comes first: who waits for it keeps nobody from a
    /// place.
    pub(super) async fn go(&self) -> Option<Go> {
        let turn = match &self.order {
            Some(order) => Some(order.turn().await?),
            None => None,
        };
        Some(Go { slot: self.slots.acquire().await, _turn: turn })
    }

    /// Begins to handle messages. A task of its own costs more than many a handler, and where there
    /// is one at a time it gains nothing before there is something to wait for.
    pub(super) async fn begin(&self, some: Vec<Taken>, go: Go, work: &Work) -> Handled {
        let Handler::Each(handler) = &work.handler else {
            return Handled::Not(Unfinished { some, go, begun: None });
        };
        // Who has a weight asks for the next slot while it has one, to have its part.
        let is_plain = matches!(self.slots, Slots::Plain { .. });
        if !is_plain || self.settings.concurrency > 1 || self.order.is_some() {
            return Handled::Not(Unfinished { some, go, begun: None });
        }
        let message = some[0].message.clone();
        let observed = Observed::begin(std::slice::from_ref(&message), &self.counters);
        let mut message = Some(message);
        let begun = poll_fn(|context| {
            let message = message.take().expect("it is begun once");
            Poll::Ready(observed.span().in_scope(|| Begun::new(&**handler, message, context)))
        });
        match begun.await {
            Begun::Goes(handling) => {
                let handling: Handling<_> = Box::pin(finish(|| handling));
                Handled::Not(Unfinished { some, go, begun: Some((handling, observed)) })
            }
            Begun::Ended(Ok(done)) => {
                observed.end(None, &self.counters);
                let taken = some.into_iter().next().expect("it gathers one");
                self.settle_done(taken, done, work);
                Handled::AtOnce(go)
            }
            // It may be tried again, after a while.
            Begun::Ended(failed) => {
                let handling: Handling<_> = Box::pin(std::future::ready(failed));
                Handled::Not(Unfinished { some, go, begun: Some((handling, observed)) })
            }
        }
    }
}
