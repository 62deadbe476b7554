//! A connection for reads that block, which goes wherever the slot goes.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};

use super::super::link::{LinkReader, Whereabouts};
use super::super::{Promise, Reader};
use super::redirection::Redirection;
use super::topology::{Node, Topology};
use crate::Error;

pub(super) struct ClusterReader {
    topology: Arc<Topology>,
    slot: u16,
    owner: Option<Seat>,
    /// Whoever is about to get the slot.
    heir: Option<Seat>,
    at: Whereabouts,
}

struct Seat {
    node: Arc<Node>,
    reader: LinkReader,
}

impl Seat {
    async fn at(node: Arc<Node>) -> Result<Self, Error> {
        let reader = LinkReader::connect(&node.link).await?;
        Ok(Self { node, reader })
    }
}

impl ClusterReader {
    pub(super) async fn connect(topology: Arc<Topology>, slot: u16) -> Result<Self, Error> {
        let at = Whereabouts::default();
        let mut reader = Self { topology, slot, owner: None, heir: None, at };
        reader.owner = Some(reader.seat_at_owner().await?);
        Ok(reader)
    }

    async fn seat_at_owner(&self) -> Result<Seat, Error> {
        let node = self.topology.owner(Some(self.slot)).await?;
        let seat = Seat::at(node).await;
        if seat.is_err() {
            self.topology.doubt();
        }
        seat
    }

    async fn read_from_heir(
        &mut self,
        node: Arc<Node>,
        command: &Cmd,
        longest: Duration,
    ) -> Result<Value, Error> {
        let is_it = |seat: &Seat| Arc::ptr_eq(&seat.node, &node);
        let mut seat = match self.heir.take().filter(is_it) {
            Some(seat) => seat,
            None => Seat::at(node).await?,
        };
        self.at.begins(&seat.reader);
        let answer = seat.reader.read_asking(command, longest).await?;
        self.heir = Some(seat);
        Ok(answer)
    }

    async fn follow(&mut self, command: &Cmd, longest: Duration) -> Result<Value, Error> {
        let mut seat = match self.owner.take() {
            Some(seat) => seat,
            None => self.seat_at_owner().await?,
        };
        self.at.begins(&seat.reader);
        let error = match seat.reader.read(command, longest).await {
            Ok(answer) => {
                self.owner = Some(seat);
                return Ok(answer);
            }
            Err(error) => error,
        };
        match Redirection::of(&error, &seat.node.address) {
            Some(Redirection::Ask { to }) => {
                self.owner = Some(seat);
                let node = self.topology.node(&to)?;
                return self.read_from_heir(node, command, longest).await;
            }
            // The next read finds out who it is then. Not this one: whoever has the slot now may
            // know less than the one before of what we have.
            Some(Redirection::Moved { slot, to }) => self.topology.note(slot, &to)?,
            Some(Redirection::Later) => self.topology.doubt(),
            None if matches!(error, Error::Connection(_)) => self.topology.doubt(),
            None => self.owner = Some(seat),
        }
        Err(error)
    }
}

impl Reader for ClusterReader {
    fn read<'a>(&'a mut self, command: &'a Cmd, longest: Duration) -> Promise<'a, Value> {
        Box::pin(async move {
            let answer = self.follow(command, longest).await;
            self.at.ended();
            answer
        })
    }

    fn unblock(&self) -> Promise<'static, ()> {
        self.at.unblock()
    }
}
