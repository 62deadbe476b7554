//! A port that leads to a server, and may lead to another one later: as addresses in the field do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Lives as long as the runtime.
pub(crate) struct Relay {
    pub(crate) port: u16,
    target: Arc<Mutex<u16>>,
    frozen: watch::Sender<()>,
    swallows: Arc<AtomicBool>,
}

impl Relay {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let target = Arc::new(Mutex::new(server));
        let (frozen, _) = watch::channel(());
        let swallows = Arc::new(AtomicBool::new(false));
        let relay = Self {
            port,
            target: Arc::clone(&target),
            frozen: frozen.clone(),
            swallows: Arc::clone(&swallows),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (to, mut is_frozen) = (*target.lock(), frozen.subscribe());
                let swallows = Arc::clone(&swallows);
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                    let mut passing = std::pin::pin!(pass_on(client, server, &swallows));
                    tokio::select! {
                        () = &mut passing => {}
                        // Both stay open, and nothing comes through.
                        Ok(()) = is_frozen.changed() => std::future::pending().await,
                    }
                });
            }
        });
        relay
    }

    /// Connections that are made from now on lead there.
    pub(crate) fn lead_to(&self, server: u16) {
        *self.target.lock() = server;
    }

    /// Whether each connection ends when an answer comes, which does not get through.
    pub(crate) fn swallow(&self, answers: bool) {
        self.swallows.store(answers, Ordering::Relaxed);
    }

    /// Nothing comes through connections that are there any more, and they do not end either.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(());
    }
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, swallows: &AtomicBool) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let answers = async {
        let mut some = [0; 16 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut some).await {
            let is_lost = swallows.load(Ordering::Relaxed);
            if is_lost || to_client.write_all(&some[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = answers => {}
    }
}
