//! Handlers as services, so that tower's layers go around them: time limits, rate limits, load
//! shedding, and whatever a program has of its own.

use std::future::poll_fn;
use std::sync::Arc;

use parking_lot::Mutex;
use tower_service::Service;

use super::done::Done;
use super::handler::Handler;
use super::{HandlerError, StreamConsumer};
use crate::{Error, FromFields, Message};

impl StreamConsumer {
    /// The same as [`StreamConsumer::run`] with a [`Service`] in place of a handler. It is cloned
    /// for each message, and called when it says that it is ready; a message that waits for that
    /// has a slot of `concurrency`, and its lease is extended. An error of readiness is a failure
    /// of the message.
    ///
    /// # Errors
    /// As those of [`StreamConsumer::run`].
    pub async fn run_service<T, S>(self, service: S) -> Result<(), Error>
    where
        T: FromFields + 'static,
        S: Service<Message<T>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Response: Into<Done>,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // Services need not be shared between threads, only handed over.
        let service = Arc::new(Mutex::new(service));
        let handler = Handler::Each(Arc::new(move |message| {
            let message = message.decode::<T>();
            let mut service = service.lock().clone();
            Box::pin(async move {
                let message = message.map_err(HandlerError::retry)?;
                poll_fn(|context| service.poll_ready(context)).await.map_err(failed)?;
                service.call(message).await.map(Into::into).map_err(failed)
            })
        }));
        self.run_all(handler).await
    }
}

/// What a service says is passed on; a [`ServiceRejection`] among its causes is a rejection.
fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HandlerError {
    let error = error.into();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(some) = cause {
        if some.is::<ServiceRejection>() {
            return HandlerError::reject(error);
        }
        cause = some.source();
    }
    HandlerError::retry(error)
}

/// An error of a service after which no other try would help: the message becomes a dead letter at
/// once.
#[derive(Debug)]
pub struct ServiceRejection(Box<dyn std::error::Error + Send + Sync>);

impl ServiceRejection {
    /// For this reason.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl std::fmt::Display for ServiceRejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ServiceRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
