//! Keys, looks and the terminal together, until the end.

use std::time::Duration;

use anyhow::Context as _;
use ratatui::crossterm::event::{self, Event};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::columns::GroupColumn;
use super::draw::{Theme, draw};
use super::keys::{Then, press};
use super::look::{Found, Looker, Wanted};
use super::screen::Screen;
use super::survey::Survey;
use super::terminal::Taken;
use crate::name::Name;
use crate::server::Server;

/// Keys that wait to be looked at.
const KEYS_WAITING: usize = 256;
/// The second look comes sooner than others: only then there are rates.
const SECOND_LOOK: Duration = Duration::from_millis(500);

pub(super) async fn live(
    server: Server,
    names: Vec<Name>,
    interval: Duration,
    sort: GroupColumn,
) -> anyhow::Result<()> {
    let (address, called) = (server.address.clone(), server.is_called().to_owned());
    let mut screen = Screen::new(address, called, interval, sort);
    let looker = Looker::new(server, names, Survey::new());
    let theme = Theme::of_environment();
    let listen = |kind| signal(kind).context("watch for signals");
    let mut terminated = listen(SignalKind::terminate())?;
    let mut hung_up = listen(SignalKind::hangup())?;
    let mut stopped = listen(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
    let mut taken = Taken::take()?;
    let mut keys = read_keys();
    // Either it looks, or somebody waits with what looks.
    let mut waiting = Some(looker);
    let mut looking = None;
    let (mut next_look, mut is_asked) = (Instant::now(), true);
    loop {
        let size = taken.screen.size().context("ask for the size of the terminal")?;
        screen.set_height(size.height);
        taken.screen.draw(|frame| draw(&mut screen, &theme, frame)).context("draw")?;
        let is_due = is_asked || (!screen.is_paused && next_look <= Instant::now());
        if is_due && let Some(looker) = waiting.take() {
            is_asked = false;
            looking = Some(Box::pin(look(looker, screen.wanted())));
        }
        let then = tokio::select! {
            key = keys.recv() => match key {
                Some(Ok(Event::Key(key))) => press(&mut screen, key),
                Some(Ok(Event::Resize(..))) => Then::Look,
                Some(Ok(_)) => Then::Nothing,
                Some(Err(error)) => return Err(error).context("read keys"),
                // The terminal is gone.
                None => Then::End,
            },
            (looker, found) = async { looking.as_mut().expect("it is looked for").await },
                if looking.is_some() =>
            {
                (waiting, looking) = (Some(looker), None);
                let is_first = !screen.has_looked;
                match found {
                    Ok(found) => screen.take(found),
                    Err(error) => screen.trouble = Some(error.to_string()),
                }
                let has_begun = is_first && screen.has_looked;
                let longest = if has_begun { SECOND_LOOK } else { Duration::MAX };
                next_look = Instant::now() + screen.interval.min(longest);
                Then::Nothing
            }
            () = sleep_until(next_look), if waiting.is_some() && !screen.is_paused => Then::Nothing,
            _ = terminated.recv() => Then::End,
            _ = hung_up.recv() => Then::End,
            _ = stopped.recv() => Then::Suspend,
        };
        match then {
            Then::Nothing => {}
            Then::Look => is_asked = true,
            Then::Redraw => taken.redraw()?,
            Then::Suspend => taken.suspend()?,
            Then::End => return Ok(()),
        }
    }
}

async fn look(mut looker: Looker, wanted: Wanted) -> (Looker, Result<Found, millstream::Error>) {
    let found = looker.look(wanted).await;
    (looker, found)
}

/// What comes from the keyboard, and changes of the size. The thread waits in a read when this
/// process ends, and ends with it.
fn read_keys() -> mpsc::Receiver<std::io::Result<Event>> {
    let (sender, keys) = mpsc::channel(KEYS_WAITING);
    std::thread::spawn(move || {
        loop {
            let event = event::read();
            let is_end = event.is_err();
            if sender.blocking_send(event).is_err() || is_end {
                break;
            }
        }
    });
    keys
}
