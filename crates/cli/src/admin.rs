//! The dashboard within a server's process: its port, its thread, and what it is told.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use millstream::ConnectOptions;
use millstream_dashboard::{Dashboard, DashboardOptions, HttpsConfig, Lifecycle, Target};
use millstream_server::{RunningServer, Tls};
use tokio::sync::watch;

use crate::serve_options::ConfigError;

/// How the dashboard is to be.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    /// Somebody chose the port: without it nothing starts.
    pub(crate) is_chosen: bool,
    /// With the certificate of the server.
    pub(crate) is_https: bool,
    pub(crate) options: DashboardOptions,
}

/// Tells a dashboard where its server is.
#[derive(Debug)]
pub(crate) struct RunningAdmin(watch::Sender<Lifecycle>);

impl Admin {
    /// # Errors
    /// Strangers could reach it, and need not log in.
    pub(crate) fn check(&self, lets_strangers_in: bool) -> Result<(), ConfigError> {
        if self.ip.is_loopback() || !lets_strangers_in {
            return Ok(());
        }
        Err(ConfigError(format!(
            "the dashboard on {} would be open to everybody who reaches it, as there is no password\n  \
             next: set one with --requirepass, or leave the dashboard on 127.0.0.1",
            self.ip
        )))
    }

    /// Answers from now on, with no more than so many files open, first of all that the server is
    /// starting. `None`: the port that nobody chose is taken, and there is no dashboard.
    ///
    /// # Errors
    /// The port cannot be taken, or there is no thread.
    pub(crate) fn start(
        self,
        tls: &Arc<Tls>,
        files: usize,
    ) -> anyhow::Result<Option<RunningAdmin>> {
        let Self { ip, port, is_chosen, is_https, mut options, .. } = self;
        if is_https {
            let tls = Arc::clone(tls);
            options.https = Some(HttpsConfig::new(move || tls.https()));
        }
        let dashboard = match Dashboard::bind(ip, port, options) {
            Ok(dashboard) => dashboard.with_files(files),
            Err(error) if !is_chosen => {
                tracing::warn!("{error}: there is none; choose another port with --admin-port");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        tracing::info!("dashboard on {}", dashboard.url());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start the dashboard")?;
        let (sender, lifecycle) = watch::channel(Lifecycle::Starting);
        let answer = move || {
            if let Err(error) = runtime.block_on(dashboard.serve(lifecycle)) {
                tracing::error!("the dashboard ended: {error}");
            }
        };
        // Not joined: it ends with the process.
        let named = thread::Builder::new().name("millstream-admin".to_owned());
        named.spawn(answer).context("start the dashboard")?;
        Ok(Some(RunningAdmin(sender)))
    }
}

impl RunningAdmin {
    /// The server is there.
    pub(crate) fn runs(&self, server: &RunningServer) {
        let mut addresses = server.addresses().iter().chain(server.tls_addresses());
        let address =
            addresses.next().map_or_else(|| "its Unix socket".to_owned(), ToString::to_string);
        let (trusted, anonymous) = (server.connector(), server.connector());
        let target = Target {
            address,
            trusted: ConnectOptions::dialled(move || trusted.connect_trusted()),
            anonymous: ConnectOptions::dialled(move || anonymous.connect()),
        };
        let _ = self.0.send(Lifecycle::Running(Box::new(target)));
    }
}
