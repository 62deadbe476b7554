//! A port that leads to a server, and may lead to another one later: as addresses in the field do.

use std::sync::Arc;

use millstream_conformance::Server;
use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Lives as long as the runtime.
pub(crate) struct Relay {
    pub(crate) port: u16,
    target: Arc<Mutex<u16>>,
    frozen: watch::Sender<()>,
}

impl Relay {
    pub(crate) async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let target = Arc::new(Mutex::new(server.port()));
        let (frozen, _) = watch::channel(());
        let relay = Self { port, target: Arc::clone(&target), frozen: frozen.clone() };
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (to, mut is_frozen) = (*target.lock(), frozen.subscribe());
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        // Both stay open, and nothing comes through.
                        Ok(()) = is_frozen.changed() => std::future::pending().await,
                    }
                });
            }
        });
        relay
    }

    /// Connections that are made from now on lead there.
    pub(crate) fn lead_to(&self, server: &Server) {
        *self.target.lock() = server.port();
    }

    /// Nothing comes through connections that are there any more, and they do not end either.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(());
    }
}
