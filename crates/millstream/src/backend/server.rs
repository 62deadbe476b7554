//! One server, by its address: Millstream, Redis or Valkey.

use std::sync::Arc;

use redis::{Cmd, Pipeline, Value};

use super::address::Access;
use super::link::{Link, LinkReader};
use super::{Backend, Promise, Reader, Replicas};
use crate::Error;

#[derive(Debug)]
pub(crate) struct ServerBackend {
    link: Arc<Link>,
}

impl ServerBackend {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Connection`], [`Error::Refused`].
    pub(super) async fn connect(access: &Access) -> Result<Self, Error> {
        let link = Arc::new(access.link()?);
        link.current().await?;
        Ok(Self { link })
    }
}

/// A server that has part of the keys only is one of a Cluster, and says so.
fn or_wrong_address<T>(done: Result<T, Error>) -> Result<T, Error> {
    match done {
        Err(Error::Refused { code, .. }) if code == "MOVED" => Err(Error::Configuration(
            "the server is one of a Cluster: its address begins with redis+cluster://".to_owned(),
        )),
        other => other,
    }
}

impl Backend for ServerBackend {
    fn run<'a>(&'a self, command: &'a Cmd) -> Promise<'a, Value> {
        Box::pin(async move { or_wrong_address(self.link.run(command).await) })
    }

    fn run_all<'a>(&'a self, commands: &'a Pipeline) -> Promise<'a, Vec<Value>> {
        Box::pin(async move {
            let current = self.link.current().await?;
            or_wrong_address(self.link.run_all_on(current, commands).await)
        })
    }

    fn run_replicated<'a>(
        &'a self,
        command: &'a Cmd,
        replicas: Replicas,
    ) -> Promise<'a, (Value, u64)> {
        Box::pin(async move {
            let waiting = self.link.waiting().await?;
            let done = self.link.run_replicated_on(waiting, command, replicas, false).await;
            or_wrong_address(done)
        })
    }

    fn reader<'a>(&'a self, _stream: &'a [u8]) -> Promise<'a, Box<dyn Reader>> {
        Box::pin(
            async move { Ok(Box::new(LinkReader::connect(&self.link).await?) as Box<dyn Reader>) },
        )
    }
}
