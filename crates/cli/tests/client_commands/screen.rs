//! A terminal of the test's own, with a command on it and what is to be seen.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A command that runs on a terminal.
pub(crate) struct Screen {
    pub(crate) child: Child,
    pty: Arc<Pty>,
    shown: Arc<Shown>,
}

/// What the terminal shows, and that it changed.
struct Shown {
    terminal: Mutex<vt100::Parser>,
    changed: Condvar,
}

/// How a terminal is told to show its second screen, and to go back.
const SECOND_SCREEN: [&str; 2] = ["\x1b[?1049h", "\x1b[?1049l"];

impl Screen {
    pub(crate) fn begin(url: &str, words: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::begin_on(url, words, environment, |_| ())
    }

    /// On a terminal with one screen only, which shows what a shell left on it.
    pub(crate) fn begin_on_only_screen(url: &str, words: &[&str]) -> Self {
        let left = "what a shell left ".repeat(100);
        let mut is_new = true;
        Self::begin_on(url, words, &[], move |bytes| {
            let mut text = String::from_utf8_lossy(bytes).into_owned();
            for order in SECOND_SCREEN {
                text = text.replace(order, "");
            }
            let begin = if std::mem::take(&mut is_new) { left.as_str() } else { "" };
            *bytes = [begin, &text].concat().into_bytes();
        })
    }

    /// `change` is what becomes of what is printed, before it is shown.
    fn begin_on(
        url: &str,
        words: &[&str],
        environment: &[(&str, &str)],
        mut change: impl FnMut(&mut Vec<u8>) + Send + 'static,
    ) -> Self {
        let (pty, pts) = open().expect("a terminal");
        pty.resize(Size::new(24, 80)).expect("it has a size");
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(words)
            .env_remove("REDISCLI_AUTH")
            .env_remove("NO_COLOR")
            .env("REDIS_URL", url)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8");
        for (name, value) in environment {
            command = command.env(name, value);
        }
        let child = command.spawn(pts).expect("the binary of this package starts");
        let terminal = Mutex::new(vt100::Parser::new(24, 80, 0));
        let (pty, shown) = (Arc::new(pty), Arc::new(Shown { terminal, changed: Condvar::new() }));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is the end: nobody has the terminal any more.
            while let Ok(count @ 1..) = (&*from).read(&mut bytes) {
                let Ok(mut terminal) = to.terminal.lock() else { return };
                let mut printed = bytes[..count].to_vec();
                change(&mut printed);
                terminal.process(&printed);
                to.changed.notify_all();
            }
        });
        Self { child, pty, shown }
    }

    pub(crate) fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("it reads");
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let mut terminal = self.shown.terminal.lock().expect("nobody panics with it");
        terminal.screen_mut().set_size(rows, columns);
        self.pty.resize(Size::new(rows, columns)).expect("it has a size");
    }

    /// Waits until the screen is as it is wanted to be; returns its lines.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) -> Vec<String> {
        let begun = Instant::now();
        let mut terminal = self.shown.terminal.lock().expect("nobody panics with it");
        while !is_so(terminal.screen()) {
            let seen = || terminal.screen().contents();
            assert!(begun.elapsed() < LIMIT, "never came: {what}; the screen is\n{}", seen());
            let waited = self.shown.changed.wait_timeout(terminal, Duration::from_secs(1));
            terminal = waited.expect("nobody panics with it").0;
        }
        lines(terminal.screen())
    }

    /// What it shows.
    pub(crate) fn now(&self) -> vt100::Screen {
        self.shown.terminal.lock().expect("nobody panics with it").screen().clone()
    }

    /// Waits until a line begins with that.
    #[track_caller]
    pub(crate) fn until_line(&self, begin: &str) -> Vec<String> {
        self.until(begin, |screen| lines(screen).iter().any(|line| line.starts_with(begin)))
    }

    /// Whether lines come at once as they are typed, and are shown: as a shell has it.
    pub(crate) fn is_given_back(&self) -> bool {
        use rustix::termios::{LocalModes, tcgetattr};
        let modes = tcgetattr(&*self.pty).expect("it is a terminal").local_modes;
        let terminal = self.shown.terminal.lock().expect("nobody panics with it");
        let screen = terminal.screen();
        let is_cooked = modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        is_cooked && !screen.alternate_screen() && !screen.hide_cursor()
    }

    /// Waits for its end; returns the exit code.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.until("the end", |screen| !screen.alternate_screen());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without blanks at their ends.
pub(crate) fn lines(screen: &vt100::Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    screen.rows(0, columns).map(|line| line.trim_end().to_owned()).collect()
}
