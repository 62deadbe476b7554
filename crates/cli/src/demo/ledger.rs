//! What happened to every order, as seen by the consumers: the account that the server is held to.
//!
//! It must not talk to the server. An order is entered before it is added to the stream, so an
//! unknown number in a report of a consumer means that somebody else writes to the stream; such
//! reports are ignored here and show up as a wrong count at the end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use millstream::{EntryId, Outcome};

/// Number of the first order.
pub(super) const FIRST_ORDER_ID: usize = 1000;

/// The account of one order.
#[derive(Clone, Debug, Default)]
pub(super) struct OrderAccount {
    /// Fails whatever the dice say.
    pub(super) always_fails: bool,
    /// Entry ID, known once the order is settled.
    pub(super) entry_id: Option<EntryId>,
    /// How often a handler was called.
    pub(super) attempts: u64,
    /// How often it failed.
    pub(super) failures: u64,
    /// How often it succeeded after somebody else had settled the order.
    pub(super) processed_late: u64,
    /// How often it was acknowledged as processed; 0 or 1 at the end.
    pub(super) processed: u64,
    /// How often a consumer gave it up; 0 or 1 at the end.
    pub(super) given_up: u64,
    /// 1 if it is a dead letter, as a consumer or the server says.
    pub(super) dead_lettered: u64,
    /// Who took it last.
    holder: Option<String>,
}

/// One call of a handler.
pub(super) struct Attempt {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) always_fails: bool,
}

/// Totals over all orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) processed: u64,
    /// Attempts beyond the first of their order.
    pub(super) retried: u64,
    /// Orders taken over from the consumer that was lost.
    pub(super) claimed_from_dead: u64,
    pub(super) dead_lettered: u64,
    /// Jobs that succeeded after somebody else had settled the order.
    pub(super) processed_twice: u64,
}

impl Totals {
    /// Orders that ended, one way or the other.
    pub(super) fn settled(self) -> u64 {
        self.processed + self.dead_lettered
    }
}

/// Shared by all consumers of a run.
pub(super) struct Ledger {
    book: Mutex<Book>,
}

struct Book {
    accounts: Vec<OrderAccount>,
    totals: Totals,
    dead_consumer: Option<String>,
}

impl Ledger {
    /// Opens an account for each of `orders` orders; `always_failing` of them, evenly spread, can
    /// never be processed.
    pub(super) fn open(orders: usize, always_failing: usize) -> Self {
        let mut accounts = vec![OrderAccount::default(); orders];
        for index in 0..always_failing.min(orders) {
            accounts[index * orders / always_failing].always_fails = true;
        }
        Self { book: Mutex::new(Book { accounts, totals: Totals::default(), dead_consumer: None }) }
    }

    /// Enters a call of the handler; none for an unknown order.
    pub(super) fn attempt(&self, order_id: usize) -> Option<Attempt> {
        let mut book = self.lock();
        let account = book.account(order_id)?;
        account.attempts += 1;
        let attempt = Attempt { number: account.attempts, always_fails: account.always_fails };
        if attempt.number > 1 {
            book.totals.retried += 1;
        }
        Some(attempt)
    }

    /// Enters that `consumer` was given the order.
    pub(super) fn taken(&self, order_id: usize, consumer: &str) {
        let mut book = self.lock();
        let dead_consumer = book.dead_consumer.clone();
        let Some(account) = book.account(order_id) else { return };
        let previous = account.holder.replace(consumer.to_owned());
        if previous.is_some() && previous == dead_consumer && previous.as_deref() != Some(consumer)
        {
            book.totals.claimed_from_dead += 1;
        }
    }

    /// Enters what became of a delivery.
    pub(super) fn settled(&self, order_id: usize, entry_id: EntryId, outcome: Outcome) {
        let mut book = self.lock();
        let Some(account) = book.account(order_id) else { return };
        account.entry_id = Some(entry_id);
        match outcome {
            Outcome::Failed => account.failures += 1,
            Outcome::Acknowledged => {
                account.processed += 1;
                book.totals.processed += 1;
            }
            Outcome::Late => {
                account.processed_late += 1;
                book.totals.processed_twice += 1;
            }
            Outcome::DeadLettered => {
                account.given_up += 1;
                book.bury(order_id);
            }
            // Somebody else will have it.
            _ => {}
        }
    }

    /// Enters a dead letter that is on the server: it also buries what no consumer gave up, because
    /// the one that had it for the last time was lost.
    pub(super) fn found_letter(&self, order_id: usize, entry_id: EntryId) {
        let mut book = self.lock();
        let Some(account) = book.account(order_id) else { return };
        account.entry_id = Some(entry_id);
        book.bury(order_id);
    }

    /// From now on `consumer` finishes nothing.
    pub(super) fn lost(&self, consumer: &str) {
        self.lock().dead_consumer = Some(consumer.to_owned());
    }

    /// Totals so far.
    pub(super) fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// All accounts with their order numbers.
    pub(super) fn accounts(&self) -> Vec<(usize, OrderAccount)> {
        self.lock()
            .accounts
            .iter()
            .enumerate()
            .map(|(index, account)| (FIRST_ORDER_ID + index, account.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // A consumer that panicked fails the run by itself; what it entered before still counts.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn bury(&mut self, order_id: usize) {
        let Some(account) = self.account(order_id) else { return };
        if account.dead_lettered == 0 {
            account.dead_lettered = 1;
            self.totals.dead_lettered += 1;
        }
    }

    fn account(&mut self, order_id: usize) -> Option<&mut OrderAccount> {
        self.accounts.get_mut(order_id.checked_sub(FIRST_ORDER_ID)?)
    }
}
