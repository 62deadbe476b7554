//! Running a command that talks to a server.

use anyhow::{Context as _, bail};

/// What Ctrl-C means to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnInterrupt {
    /// It was not finished: exit code 1.
    Fail,
    /// It goes on until then.
    End,
    /// It watches for signals itself.
    Itself,
}

/// Runs it to its end, or until Ctrl-C, which it may watch for itself: what is printed by then is
/// whole lines, and what was sent to the server is done there or not.
pub(crate) fn run(
    on_interrupt: OnInterrupt,
    command: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let done = runtime.block_on(async {
        if on_interrupt == OnInterrupt::Itself {
            return command.await;
        }
        tokio::select! {
            biased;
            done = command => done,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.context("watch for Ctrl-C")?;
                if on_interrupt == OnInterrupt::End {
                    return Ok(());
                }
                bail!("interrupted: what was under way may have been done or not")
            }
        }
    });
    // A name that is being looked up keeps nobody waiting.
    runtime.shutdown_background();
    done
}
