//! Handlers as services, with layers of tower around them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::{DeadLetters, Message, ServiceRejection};
use tower::{BoxError, ServiceBuilder, service_fn};

use crate::place::{Place, until};

pub(crate) async fn layers_go_around_handlers(place: Place) {
    place.add(0..6).await;
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let service = ServiceBuilder::new()
        .concurrency_limit(2)
        .timeout(Duration::from_secs(2))
        .service(service_fn({
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            move |message: Message| {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                async move {
                    let now = running.fetch_add(1, Ordering::AcqRel) + 1;
                    most.fetch_max(now, Ordering::AcqRel);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    running.fetch_sub(1, Ordering::AcqRel);
                    match message.text("n") {
                        Some("3") => Err::<(), BoxError>(ServiceRejection::new("no threes").into()),
                        Some("4") => std::future::pending().await,
                        _ => Ok(()),
                    }
                }
            }
        }));
    let builder = place.builder("c1").concurrency(6).max_retries(1);
    let consumer = builder.build().await.expect("a consumer");
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let task = tokio::spawn(consumer.run_service(service));
    until("four are done", async || health.report().acknowledged == 4).await;
    let letters = DeadLetters::of(&place.millstream, &place.stream);
    until("two are dead", async || {
        letters.list(None, 10).await.is_ok_and(|letters| letters.len() == 2)
    })
    .await;
    stop.cancel();
    task.await.expect("it does not panic").expect("it ends in order");
    let mut letters = letters.list(None, 10).await.expect("letters");
    letters.sort_by(|a, b| a.reason.cmp(&b.reason));
    assert_eq!((&*letters[0].reason, &*letters[0].error), ("fatal", "no threes"));
    assert!(letters[1].error.contains("timed out"), "{:?}", letters[1]);
    assert!(most.load(Ordering::Acquire) <= 2);
}
