//! The terminal: taken over, and given back as it was, whatever happens.

use std::io::{self, IsTerminal as _, Stdout, stdin, stdout};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::{Position, Rect};

use crate::usage_error::usage;

/// Between [`enter`] and [`give_back`].
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// A terminal that is drawn on; given back when dropped.
pub(super) struct Taken {
    /// Never dropped: it would show the cursor, and panic if a terminal that is gone does not.
    pub(super) screen: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
}

/// Whether there is a terminal that can be drawn on.
///
/// # Errors
/// There is none, and what to do instead.
pub(super) fn check() -> anyhow::Result<()> {
    const INSTEAD: &str =
        "  next: `millstream top --once` prints one table, `millstream top --json` goes on and on";
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(usage(format!("top needs a terminal to draw on and to read keys\n{INSTEAD}")));
    }
    match std::env::var("TERM").as_deref() {
        Ok("dumb" | "") | Err(_) => Err(usage(format!(
            "the terminal cannot be drawn on, as the variable TERM says (\"dumb\", or nothing)\n\
             {INSTEAD}"
        ))),
        Ok(_) => Ok(()),
    }
}

impl Taken {
    /// # Errors
    /// It cannot be taken, and is as it was.
    pub(super) fn take() -> anyhow::Result<Self> {
        // What a panic says is for the screen that was there before.
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            earlier(panic);
        }));
        let taken = enter().and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match taken {
            Ok(screen) => Ok(Self { screen: ManuallyDrop::new(screen) }),
            Err(error) => {
                give_back();
                Err(error).context("take over the terminal")
            }
        }
    }

    /// Gives it back, stops this process until somebody lets it go on, and takes it again.
    ///
    /// # Errors
    /// It cannot be taken any more.
    pub(super) fn suspend(&mut self) -> anyhow::Result<()> {
        give_back();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)
            .context("stop this process")?;
        enter().context("take over the terminal")?;
        self.redraw()
    }

    /// Whatever is on it now.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn redraw(&mut self) -> anyhow::Result<()> {
        // `clear` would ask the terminal where its cursor is, and its answer be taken for keys.
        let size = self.screen.size().context("ask for the size of the terminal")?;
        self.screen.resize(Rect::from((Position::ORIGIN, size))).context("clear the terminal")
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    IS_TAKEN.store(true, Ordering::SeqCst);
    // Some terminals have no second screen, as GNU screen by default: there, what was on the first
    // would shine through.
    execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All), cursor::Hide)
}

/// As often as one likes. A terminal that is gone needs nothing.
fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Where there is no second screen the shell goes on below what was drawn; where there is one,
    // leaving it puts the cursor where it was.
    let below = cursor::MoveTo(0, u16::MAX - 1);
    let clear = Clear(ClearType::CurrentLine);
    let _ = execute!(stdout(), below, clear, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}
