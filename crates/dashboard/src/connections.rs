//! Connections of visitors: how many there may be, and how long each is waited for. The server
//! whose process this is needs its files and its memory for other things.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::options::HttpsConfig;

/// At a time; others wait until one of them ends.
const CONNECTIONS_MAX: usize = 512;
/// For the head of a request, and between two requests.
const PATIENCE: Duration = Duration::from_secs(15);
/// After an error of accept, such as too many open files.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Answers all of them, until it is dropped: then they end, too.
pub(crate) async fn answer(
    listener: TcpListener,
    https: Option<HttpsConfig>,
    router: Router,
) -> Infallible {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
                    tracing::warn!("dashboard: cannot accept a connection: {error}");
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            },
            // One that panicked says so itself, and ends alone.
            Some(_) = running.join_next() => {}
        }
    }
}

async fn one(stream: TcpStream, address: SocketAddr, https: Option<HttpsConfig>, router: Router) {
    let _ = stream.set_nodelay(true);
    let Some(https) = https else { return serve(stream, address, router).await };
    let Some(config) = https.present() else { return };
    let shaken = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(PATIENCE, shaken).await {
        Ok(Ok(stream)) => serve(stream, address, router).await,
        Ok(Err(error)) => tracing::debug!("dashboard: TLS with {address} failed: {error}"),
        Err(_) => tracing::debug!("dashboard: TLS with {address} took too long"),
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, address: SocketAddr, router: Router) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        let mut router = router.clone();
        async move { router.call(request).await as Result<Response<_>, Infallible> }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let served = builder.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!("dashboard: connection from {address}: {error}");
    }
}
