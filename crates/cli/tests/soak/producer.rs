//! Who adds messages, as many a second as the ledger says.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis::{cmd, pipe};

use crate::ledger::{Ledger, Pace, STREAMS, work_stream};

const BATCH: u64 = 64;
/// Each so many-th message is an event, too, on a stream that is trimmed as it grows.
const EVENTS: u64 = 8;

/// One of so many producers.
pub(crate) fn start(ledger: &Arc<Ledger>, number: usize, of: usize) -> JoinHandle<()> {
    let ledger = Arc::clone(ledger);
    thread::spawn(move || produce(&ledger, number, of))
}

fn produce(ledger: &Ledger, number: usize, of: usize) {
    let mut connection = ledger.connect();
    let key = work_stream(number % STREAMS);
    let payload = "an order like any other, with a customer, some lines and a sum; ".repeat(2);
    let mut pace = Pace::new();
    while ledger.is_producing() {
        pace.wait(BATCH, ledger.rate() / of as f64);
        if ledger.has_too_many_under_way() {
            ledger.held_up.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        let numbers = ledger.take_numbers(BATCH);
        let mut batch = pipe();
        let mut events = 0;
        for number in numbers.clone() {
            let mut add = if Ledger::is_delayed(number) {
                cmd("XSCHEDULE").arg("ADD").arg(&key).arg("DELAY").arg(300).to_owned()
            } else {
                cmd("XADD").arg(&key).arg("*").to_owned()
            };
            add.arg("n").arg(number).arg("payload").arg(&payload);
            batch.add_command(add);
            if number.is_multiple_of(EVENTS) {
                events += 1;
                let mut event = cmd("XADD");
                event.arg("events").arg("MAXLEN").arg("~").arg(100_000).arg("*").arg("n");
                batch.add_command(event.arg(number).to_owned());
            }
        }
        let begun = Instant::now();
        let replies: Vec<String> = batch.query(&mut connection).expect("all are added");
        assert_eq!(replies.len() as u64, BATCH + events);
        ledger.events.fetch_add(events, Ordering::Relaxed);
        ledger.note_added(numbers, begun.elapsed());
    }
}
