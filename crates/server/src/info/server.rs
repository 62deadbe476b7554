//! Sections on the program, its clients, its processor time.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream_command::compatibility::EXTENSIONS;
use millstream_engine::Statistics;
use millstream_runtime::since_1970;

use super::process::{ProcessFacts, system, thread_times};
use super::{flag, lines};
use crate::shared::{REDIS_VERSION, Shared};

/// Redis shows this where it was not built from a checkout.
const NO_COMMIT: &str = "00000000";

pub(super) fn server(shared: &Shared) -> String {
    let uptime_s = shared.clock.uptime().as_secs();
    let multiplexing = if cfg!(target_os = "linux") { "epoll" } else { "kqueue" };
    let executable = std::env::current_exe().unwrap_or_default();
    let mut text = lines(&[
        ("redis_version", REDIS_VERSION.into()),
        ("redis_git_sha1", NO_COMMIT.into()),
        ("redis_git_dirty", "0".into()),
        ("redis_build_id", NO_COMMIT.repeat(2)),
        ("server_name", "millstream".into()),
        ("millstream_version", env!("CARGO_PKG_VERSION").into()),
        ("millstream_extensions", EXTENSIONS.into()),
        ("redis_mode", "standalone".into()),
        ("os", system()),
        ("arch_bits", usize::BITS.to_string()),
        ("monotonic_clock", "POSIX clock_gettime".into()),
        ("multiplexing_api", multiplexing.into()),
        ("atomicvar_api", "rust".into()),
        ("process_id", std::process::id().to_string()),
        ("process_supervised", "no".into()),
        ("run_id", shared.run_id.clone()),
        ("tcp_port", tcp_port(shared).to_string()),
        ("server_time_usec", since_1970().as_micros().to_string()),
        ("uptime_in_seconds", uptime_s.to_string()),
        ("uptime_in_days", (uptime_s / 86_400).to_string()),
        ("executable", executable.to_string_lossy().into_owned()),
        ("config_file", config_file(shared)),
        ("io_threads", shared.workers.len().to_string()),
        ("io_threads_active", flag(shared.workers.len() > 1)),
    ]);
    for (index, listener) in listeners(shared) {
        let _ = write!(text, "listener{index}:{listener}\r\n");
    }
    text
}

/// Empty without one.
fn config_file(shared: &Shared) -> String {
    shared.config.config_file.as_ref().map_or_else(String::new, |file| file.path())
}

/// As in Redis, that for TLS where there is no other.
fn tcp_port(shared: &Shared) -> usize {
    match shared.port.load(Ordering::Relaxed) {
        0 => shared.tls_port.load(Ordering::Relaxed),
        port => port,
    }
}

/// Where clients can connect, one for each kind of socket, with Redis' number of that kind.
fn listeners(shared: &Shared) -> Vec<(u8, String)> {
    let config = &shared.config;
    let binds: Vec<String> = config.bind.iter().map(|address| format!("bind={address}")).collect();
    let by_tcp = |name: &str, port: &AtomicUsize| {
        let port = port.load(Ordering::Relaxed);
        (port > 0).then(|| format!("name={name},{},port={port}", binds.join(",")))
    };
    let unix = config.unix_socket.as_ref();
    let unix = unix.map(|path| format!("name=unix,bind={}", path.display()));
    [(0, by_tcp("tcp", &shared.port)), (1, unix), (2, by_tcp("tls", &shared.tls_port))]
        .into_iter()
        .filter_map(|(index, listener)| Some((index, listener?)))
        .collect()
}

pub(super) fn clients(shared: &Shared, engine: &Statistics) -> String {
    let clients = shared.clients.all();
    let blocked = clients.iter().filter(|client| client.is_blocked.load(Ordering::Acquire)).count();
    let watched: Vec<usize> = clients.iter().map(|client| client.facts.lock().watched).collect();
    let peaks = shared.sampler.buffer_peaks();
    let [pause_reason, paused_actions, pause_left_ms] = shared.pause.info();
    lines(&[
        ("connected_clients", clients.len().to_string()),
        ("cluster_connections", "0".into()),
        ("maxclients", shared.settings.maxclients.load(Ordering::Relaxed).to_string()),
        ("client_recent_max_input_buffer", peaks.input.to_string()),
        ("client_recent_max_output_buffer", peaks.output.to_string()),
        ("blocked_clients", blocked.to_string()),
        ("tracking_clients", "0".into()),
        ("pubsub_clients", "0".into()),
        ("watching_clients", watched.iter().filter(|count| **count > 0).count().to_string()),
        ("clients_in_timeout_table", timed(shared).to_string()),
        ("total_watched_keys", watched.iter().sum::<usize>().to_string()),
        ("total_blocking_keys", engine.waited_keys.to_string()),
        ("total_blocking_keys_on_nokey", engine.waited_group_keys.to_string()),
        ("paused_reason", pause_reason),
        ("paused_actions", paused_actions),
        ("paused_timeout_milliseconds", pause_left_ms),
    ])
}

/// Blocked clients whose wait ends with its time.
fn timed(shared: &Shared) -> usize {
    let clients = shared.clients.all();
    clients.iter().filter(|client| client.has_deadline.load(Ordering::Relaxed)).count()
}

/// Commands run on the workers, so they are what Redis' main thread is.
pub(super) fn cpu(shared: &Shared) -> String {
    let seconds = |hundredths: u64| format!("{}.{:02}0000", hundredths / 100, hundredths % 100);
    let process = ProcessFacts::read();
    let workers = shared.workers.iter().map(|worker| worker.thread_id.load(Ordering::Relaxed));
    let (user, system) = thread_times(workers);
    lines(&[
        ("used_cpu_sys", seconds(process.system_hundredths)),
        ("used_cpu_user", seconds(process.user_hundredths)),
        ("used_cpu_sys_children", seconds(0)),
        ("used_cpu_user_children", seconds(0)),
        ("used_cpu_sys_main_thread", seconds(system)),
        ("used_cpu_user_main_thread", seconds(user)),
    ])
}

/// The workers, which read and write as Redis' I/O threads do.
pub(super) fn threads(shared: &Shared) -> String {
    let mut text = String::new();
    for (index, worker) in shared.workers.iter().enumerate() {
        let _ = write!(
            text,
            "io_thread_{index}:clients={},reads={},writes={}\r\n",
            worker.sessions.load(Ordering::Relaxed),
            worker.counters.reads.get(),
            worker.counters.writes.get(),
        );
    }
    text
}
