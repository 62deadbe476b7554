//! Connections of visitors: how many there may be, and how long each is waited for. The server
//! whose process this is needs its files and its memory for other things.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::options::HttpsConfig;

/// For the head of a request, and between two requests.
const PATIENCE: Duration = Duration::from_secs(15);
/// For the rest of a request, all of it.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// After an error of accept, such as too many open files.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// In this time the log has one line about such errors.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// Answers all of them, `most` at a time, until it is dropped: then they end, too.
pub(crate) async fn answer(
    listener: TcpListener,
    https: Option<HttpsConfig>,
    router: Router,
    most: usize,
) -> Infallible {
    let room = Arc::new(Semaphore::new(most));
    let mut errors = AcceptErrors::default();
    let mut running = tokio::task::JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place.ok(), listener.accept().await)
        };
        tokio::select! {
            (place, accepted) = accepted => match accepted {
                Ok((stream, address)) => {
                    let serving = one(stream, address, https.clone(), router.clone());
                    running.spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    errors.note(&error, Instant::now());
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            },
            // One that panicked says so itself, and ends alone.
            Some(_) = running.join_next() => {}
        }
    }
}

/// They come again and again for as long as their cause lasts.
#[derive(Debug, Default)]
struct AcceptErrors {
    told_at: Option<Instant>,
    untold: u64,
}

impl AcceptErrors {
    /// Says so, unless it was said a moment ago.
    fn note(&mut self, error: &io::Error, now: Instant) {
        self.untold += 1;
        if self.told_at.is_some_and(|at| now.saturating_duration_since(at) < TELL_INTERVAL) {
            return;
        }
        self.told_at = Some(now);
        match std::mem::take(&mut self.untold) {
            1 => tracing::warn!("dashboard: cannot accept a connection: {error}"),
            count => {
                tracing::warn!(
                    "dashboard: cannot accept connections, {count} times by now: {error}"
                );
            }
        }
    }
}

async fn one(stream: TcpStream, address: SocketAddr, https: Option<HttpsConfig>, router: Router) {
    let _ = stream.set_nodelay(true);
    let Some(https) = https else { return serve(stream, address, router, BODY_PATIENCE).await };
    let Some(config) = https.present() else { return };
    let shaken = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(PATIENCE, shaken).await {
        Ok(Ok(stream)) => serve(stream, address, router, BODY_PATIENCE).await,
        Ok(Err(error)) => tracing::debug!("dashboard: TLS with {address} failed: {error}"),
        Err(_) => tracing::debug!("dashboard: TLS with {address} took too long"),
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    router: Router,
    body_patience: Duration,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        let is_late = Arc::new(AtomicBool::new(false));
        let request = request.map(|body| TimelyBody {
            body,
            patience: body_patience,
            due: None,
            is_late: Arc::clone(&is_late),
        });
        let mut router = router.clone();
        async move {
            let Ok(response) = router.call(request).await;
            Ok::<_, Infallible>(match is_late.load(Ordering::Relaxed) {
                true => {
                    let text = format!("the rest of this did not come within {body_patience:?}\n");
                    let close = [(header::CONNECTION, "close")];
                    (StatusCode::REQUEST_TIMEOUT, close, text).into_response()
                }
                false => response,
            })
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let served = builder.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!("dashboard: connection from {address}: {error}");
    }
}

/// A body that is not waited for without end: whoever sends none keeps a place from others.
struct TimelyBody {
    body: Incoming,
    patience: Duration,
    /// From when it was asked for first: before that it is us who are waited for.
    due: Option<Pin<Box<Sleep>>>,
    is_late: Arc<AtomicBool>,
}

impl Body for TimelyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let patience = this.patience;
        let due = this.due.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(due.as_mut().poll(context));
        this.is_late.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// Symptom: a request whose body never came kept its connection for ever, and 512 of them shut
    /// out everybody else.
    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let (mut visitor, served) = duplex(4096);
        let router = Router::new().route("/", post(|body: Bytes| async move { body }));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let serving = serve(served, address, router, Duration::from_millis(20));
        let asking = async {
            let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
            visitor.write_all(&[&head[..], b"whole"].concat()).await.expect("it reads");
            let mut answer = vec![0; 15];
            visitor.read_exact(&mut answer).await.expect("an answer");
            assert_eq!(answer, b"HTTP/1.1 200 OK");
            visitor.write_all(&[&head[..], b"par"].concat()).await.expect("it reads");
            let mut rest = String::new();
            visitor.read_to_string(&mut rest).await.expect("the end");
            assert!(rest.contains("HTTP/1.1 408 "), "{rest}");
        };
        tokio::join!(serving, asking);
    }
}
