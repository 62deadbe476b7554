//! Commands that are sent together and are no transaction.
//!
//! Those of one slot stay in order: what is redirected is what came after a slot had moved, and is
//! sent again together. Those of several slots run side by side.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use redis::{Cmd, Value};

use super::key::slot_of;
use super::redirection::Redirection;
use super::topology::Node;
use super::{ClusterBackend, Failure, Heir};
use crate::Error;
use crate::backend::Promise;
use crate::backend::retrying::Retrying;

impl ClusterBackend {
    /// Their answers, in their order. The first that was refused is the error.
    pub(super) async fn perform_several(&self, commands: Vec<&Cmd>) -> Result<Vec<Value>, Error> {
        let mut slots: BTreeMap<Option<u16>, Vec<usize>> = BTreeMap::new();
        for (index, command) in commands.iter().enumerate() {
            slots.entry(slot_of(command)).or_default().push(index);
        }
        let perform = |(slot, indices): (Option<u16>, Vec<usize>)| {
            let some: Vec<&Cmd> = indices.iter().map(|index| commands[*index]).collect();
            let work = async move {
                let answers = self.perform_in_order(slot, &some).await?;
                Ok(indices.into_iter().zip(answers).collect())
            };
            Box::pin(work) as Promise<'_, Vec<(usize, Value)>>
        };
        let done = all_of(slots.into_iter().map(perform).collect()).await?;
        let mut answers: Vec<(usize, Value)> = done.into_iter().flatten().collect();
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, answer)| Ok(answer.extract_error()?)).collect()
    }

    /// Answers, or what the server says instead.
    async fn perform_in_order(
        &self,
        slot: Option<u16>,
        commands: &[&Cmd],
    ) -> Result<Vec<Value>, Error> {
        let mut answers: Vec<Option<Value>> = commands.iter().map(|_| None).collect();
        let mut retrying = Retrying::begin();
        let mut heir = None;
        loop {
            let open: Vec<usize> = (0..answers.len()).filter(|it| answers[*it].is_none()).collect();
            let some: Vec<&Cmd> = open.iter().map(|index| commands[*index]).collect();
            let failure = match self.send_several(slot, heir.take(), &some).await {
                Ok((got, node)) => {
                    let mut redirected = None;
                    for (index, answer) in open.into_iter().zip(got) {
                        match Error::of(&answer).filter(|it| Redirection::is(it, &node.address)) {
                            Some(error) => _ = redirected.get_or_insert(error),
                            None => answers[index] = Some(answer),
                        }
                    }
                    let Some(error) = redirected else {
                        return Ok(answers.into_iter().flatten().collect());
                    };
                    Failure::Sent(error, node)
                }
                Err(failure) => failure,
            };
            heir = self.after(slot, failure, &mut retrying).await?;
        }
    }

    async fn send_several(
        &self,
        slot: Option<u16>,
        heir: Option<Heir>,
        commands: &[&Cmd],
    ) -> Result<(Vec<Value>, Arc<Node>), Failure> {
        let Heir { node, is_asking } = self.whom_to_ask(slot, heir).await?;
        let current = node.link.current().await.map_err(Failure::Unsent)?;
        let mut all = redis::pipe();
        for command in commands {
            if is_asking {
                all.cmd("ASKING");
            }
            all.add_command((*command).clone());
        }
        match node.link.run_each_on(current, &all).await {
            Ok(answers) if is_asking => {
                Ok((answers.into_iter().skip(1).step_by(2).collect(), node))
            }
            Ok(answers) => Ok((answers, node)),
            Err(error) => Err(Failure::Sent(error, node)),
        }
    }
}

/// Runs all of them at the same time; the first error, if there is one.
async fn all_of<T>(mut running: Vec<Promise<'_, T>>) -> Result<Vec<T>, Error> {
    let mut done: Vec<Option<Result<T, Error>>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (promise, done) in running.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(result) = Pin::new(promise).poll(context)
            {
                *done = Some(result);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
