//! Orders of many customers, in eight partitions: each customer's in order, all of them side by
//! side. Three workers share the partitions; one of them goes, and the others go on.
//!
//! `cargo run -p millstream --example cluster`, with a server at `REDIS_URL` or on this machine's
//! port 6379. The same on a Cluster: `REDIS_URL=redis+cluster://10.0.0.1:6379,10.0.0.2:6379`.

use std::collections::{HashMap, HashSet};
use std::env;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::{Error, Fields, HandlerError, Message, Millstream, PartitionedStream};
use millstream::{StreamConsumer, WorkerPool};

const CUSTOMERS: usize = 20;
const ORDERS: usize = 400;
/// Who is not heard of for so long loses its partitions.
const LEASE: Duration = Duration::from_secs(2);

/// The newest order of each customer, and how many came after a newer one.
#[derive(Default)]
struct Book {
    newest: HashMap<String, usize>,
    handled: usize,
    out_of_order: usize,
}

fn note(book: &Mutex<Book>, order: &Message) -> Option<()> {
    let (customer, number) = (order.text("customer")?, order.text("number")?.parse().ok()?);
    let mut book = book.lock().ok()?;
    book.handled += 1;
    let before = book.newest.insert(customer.to_owned(), number);
    book.out_of_order += usize::from(before.is_some_and(|before| before > number));
    Some(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;
    let orders = PartitionedStream::new(&millstream, "cluster:orders", 8).await?;

    let book = Arc::new(Mutex::new(Book::default()));
    let handler = {
        let book = Arc::clone(&book);
        move |order: Message| {
            let noted = note(&book, &order);
            async move { noted.ok_or_else(|| HandlerError::reject("it is no order")) }
        }
    };
    let builder = StreamConsumer::partitioned(&orders, "billing")
        .lease_partitions(LEASE)
        .concurrency(4)
        .block(Duration::from_millis(200));
    let mut staying = WorkerPool::new();
    staying.spawn_many(2, &builder, handler.clone()).await?;
    let mut leaving = WorkerPool::new();
    leaving.spawn(builder.clone().slot(2).build().await?, handler);

    for number in 0..ORDERS {
        let customer = format!("customer-{}", number % CUSTOMERS);
        let order =
            Fields::new().with("customer", customer.clone()).with("number", number.to_string());
        orders.add(&customer, &order).await?;
        if number == ORDERS / 2 {
            leaving.stop_token().cancel();
        }
    }
    leaving.join().await?;
    let handled = || book.lock().map_or(0, |book| book.handled);
    while handled() < ORDERS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Who comes gets some, and those of who goes are taken over, within a quarter of the lease.
    loop {
        let all = orders.statistics("billing").await?;
        let owners: Vec<String> = all.into_iter().filter_map(|it| it.owner).collect();
        let workers: HashSet<&String> = owners.iter().collect();
        if owners.len() == usize::from(orders.partitions()) && workers.len() == 2 {
            println!("{} workers share {} partitions", workers.len(), owners.len());
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    staying.stop_token().cancel();
    staying.join().await?;
    if let Ok(book) = book.lock() {
        println!("{} orders of {} customers", book.handled, book.newest.len());
        println!("{} out of order", book.out_of_order);
    }
    Ok(())
}
