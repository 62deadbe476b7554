//! `millstream serve`: a running server, from its start to its end.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use millstream_dashboard::FILES_WANTED;
use millstream_server::{Config, Server, ShutdownHandle, StartError, Tls, files_for_others};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::admin::Admin;
use crate::config_file::TomlFile;
use crate::fault_report;
use crate::notify::{self, Patience};
use crate::output::{notice, print_line};
use crate::serve_options::{ConfigError, ServeOptions};

/// A signal waits at most so long for a server that is starting.
const START_PATIENCE: Duration = Duration::from_secs(1);

/// How to run a server, or to see whether it would run.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeCommand {
    #[command(flatten)]
    options: ServeOptions,
    /// Look whether the settings are right, and say so; nothing is started and no data is touched
    #[arg(long)]
    check_config: bool,
}

pub(crate) fn run_serve(command: ServeCommand) -> anyhow::Result<()> {
    let ServeCommand { options, check_config } = command;
    if check_config { check(options) } else { serve(options) }
}

fn check(options: ServeOptions) -> anyhow::Result<()> {
    let options = options.with_file()?;
    options.otlp().check()?;
    let admin = options.admin();
    let tls = options.tls().map_err(|error| said(error.into()))?;
    tls.warnings().iter().for_each(|warning| notice(&format!("warning: {warning}")));
    let config = Config { tls, ..options.into_config() };
    checked(admin, &config)?;
    Server::check(&config).map_err(said)?;
    print_line("the settings are right")?;
    Ok(())
}

/// Runs the server to its end.
fn serve(options: ServeOptions) -> anyhow::Result<()> {
    let path = options.config.as_deref().map(std::path::absolute).transpose()?;
    let options = options.with_file()?;
    crate::logging::start_as("info", options.log_format.unwrap_or_default());
    turn_off_huge_pages();
    let (admin, otlp) = (options.admin(), options.otlp());
    let tls = options.tls().map_err(|error| said(error.into()))?;
    tls.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut config = Config { tls: Arc::clone(&tls), ..options.into_config() };
    let data = (!config.memory).then(|| std::path::absolute(&config.directory)).transpose()?;
    fault_report::keep_reports(data);
    let admin = checked(admin, &config)?;
    config.config_file = path.map(|path| Arc::new(TomlFile::new(path)) as _);
    // Ends after the server.
    let (spans, _otlp) = otlp.start()?.unzip();
    config.spans = spans;
    // Before the start: from the first reply on, a signal must not simply kill the process.
    let tell_signals = watch_signals(Arc::clone(&tls))?;
    Server::check(&config).map_err(said)?;
    let files = files_for_others(FILES_WANTED);
    config.files_of_others = if admin.is_some() { files } else { 0 };
    // Before the start, so that it can be seen how that goes.
    let admin = admin.map(|admin| admin.start(&tls, files)).transpose()?.flatten();
    let patience = Patience::ask("reads its data");
    let server = Server::start(config).map_err(said)?;
    drop(patience);
    if let Some(admin) = &admin {
        admin.runs(&server);
    }
    // Last: whoever reads it may ask the dashboard whether it is ready.
    server.tell_addresses();
    notify::ready(&server);
    // The receiver is there until the first signal was handled.
    let _ = tell_signals.send(server.shutdown_handle());
    server.wait().context("the server ended badly")
}

fn checked(admin: Option<Admin>, config: &Config) -> anyhow::Result<Option<Admin>> {
    let lets_strangers_in = Server::lets_strangers_in(config).map_err(said)?;
    admin.as_ref().map_or(Ok(()), |admin| admin.check(lets_strangers_in))?;
    Ok(admin)
}

fn said(error: StartError) -> anyhow::Error {
    match error {
        StartError::Unprotected { .. }
        | StartError::Users { .. }
        | StartError::Setting { .. }
        | StartError::Tls(_)
        | StartError::NoAddress => ConfigError(error.to_string()).into(),
        _ => anyhow::Error::new(error).context("start the server"),
    }
}

/// SIGTERM or SIGINT stops the server, whose handle is to be sent, in order. Another SIGTERM
/// changes nothing: who supervises the server may send it more than once. Another SIGINT is a
/// person who insists, and ends the process at once. SIGHUP reads certificates again.
fn watch_signals(tls: Arc<Tls>) -> anyhow::Result<oneshot::Sender<ShutdownHandle>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("watch for signals")?;
    let (mut terminate, mut interrupt, hangup) = {
        let _context = runtime.enter();
        let watch = |kind| signal(kind).context("watch for signals");
        let [terminate, interrupt, hangup] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(watch);
        (terminate?, interrupt?, hangup?)
    };
    let (sender, started) = oneshot::channel::<ShutdownHandle>();
    let watch = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            never = reload_on(hangup, tls) => match never {},
        }
        let _patience = match tokio::time::timeout(START_PATIENCE, started).await {
            Ok(Ok(handle)) => {
                handle.shutdown();
                notify::stopping()
            }
            // It could not start, and says so.
            Ok(Err(_)) => return,
            // Recovery takes long. It may be cut short anywhere, as by a crash.
            Err(_) => std::process::exit(0),
        };
        interrupt.recv().await;
        notice("interrupted again, ending at once");
        std::process::exit(1);
    };
    // Not joined: it ends with the process.
    thread::Builder::new()
        .name("millstream-signals".to_owned())
        .spawn(move || runtime.block_on(watch))
        .context("watch for signals")?;
    Ok(sender)
}

/// Reads certificates again at each such signal.
async fn reload_on(mut hangup: Signal, tls: Arc<Tls>) -> Infallible {
    while hangup.recv().await.is_some() {
        if !tls.is_on() {
            tracing::info!("SIGHUP: nothing is read again, as there is no TLS");
            continue;
        }
        // Elsewhere: files may be on a disk that does not answer, and SIGTERM must be heard.
        let tls = Arc::clone(&tls);
        match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(Ok(())) => tracing::info!("SIGHUP: the files of TLS were read again"),
            Ok(Err(error)) => tracing::error!("SIGHUP: TLS stays as it was: {error}"),
            Err(panic) => tracing::error!("SIGHUP: TLS stays as it was: {panic}"),
        }
    }
    std::future::pending().await
}

/// A page of 2 MB is cleared by the kernel while whoever needed memory waits, milliseconds long and
/// maybe with the engine held. Streams gain nothing by them (measured, `docs/benchmarks.md`).
fn turn_off_huge_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::warn!("huge pages stay on, and may make some commands slow: {error}");
    }
}
