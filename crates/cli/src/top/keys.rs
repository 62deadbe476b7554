//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::listing::Step;
use super::screen::Screen;

/// All keys, for the help.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("up down k j", "move by a line"),
    ("PgUp PgDn", "move by a page; blank and b too"),
    ("Home End g G", "to the first line, to the last one"),
    ("Enter, l", "into a group, a consumer, an entry"),
    ("Esc, h", "back; Backspace and left too"),
    ("a", "all that is pending in a group"),
    ("< >", "sort by the column to the left, to the right"),
    ("r", "turn the order round"),
    ("/", "filter by name: Enter keeps it, Esc takes it away"),
    ("p", "pause: nothing is asked of the server"),
    ("+ -", "look more often, less often"),
    ("Ctrl-L", "draw everything anew"),
    ("Ctrl-Z", "stop; fg goes on"),
    ("q, Ctrl-C", "end"),
];

/// What there is to do after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// Look at once.
    Look,
    /// Draw everything anew.
    Redraw,
    Suspend,
    End,
}

pub(super) fn press(screen: &mut Screen, key: KeyEvent) -> Then {
    if key.kind == KeyEventKind::Release {
        return Then::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Then::End,
            KeyCode::Char('z') => Then::Suspend,
            KeyCode::Char('l') => Then::Redraw,
            KeyCode::Char('d' | 'f') => step(screen, Step::PageDown),
            KeyCode::Char('u' | 'b') => step(screen, Step::PageUp),
            KeyCode::Char('n') => step(screen, Step::Down),
            KeyCode::Char('p') => step(screen, Step::Up),
            // As some terminals send Backspace.
            KeyCode::Char('h') => other(screen, KeyCode::Backspace),
            _ => Then::Nothing,
        };
    }
    other(screen, key.code)
}

fn other(screen: &mut Screen, code: KeyCode) -> Then {
    if let Some(typed) = screen.typed.take() {
        return type_filter(screen, typed, code);
    }
    if screen.is_help_shown {
        screen.is_help_shown = false;
        return if code == KeyCode::Char('q') { Then::End } else { Then::Nothing };
    }
    match code {
        KeyCode::Char('q') => return Then::End,
        KeyCode::Char('?') | KeyCode::F(1) => screen.is_help_shown = true,
        KeyCode::Up | KeyCode::Char('k') => return step(screen, Step::Up),
        KeyCode::Down | KeyCode::Char('j') => return step(screen, Step::Down),
        KeyCode::PageUp | KeyCode::Char('b') => return step(screen, Step::PageUp),
        KeyCode::PageDown | KeyCode::Char(' ') => return step(screen, Step::PageDown),
        KeyCode::Home | KeyCode::Char('g') => return step(screen, Step::Start),
        KeyCode::End | KeyCode::Char('G') => return step(screen, Step::End),
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => return look_if(screen.go_in()),
        KeyCode::Char('a') => return look_if(screen.go_to_all_pending()),
        KeyCode::Esc if screen.filter().is_some_and(|filter| !filter.is_empty()) => {
            screen.set_filter("");
        }
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => {
            return look_if(screen.go_back());
        }
        KeyCode::Char('<') => screen.sort_by_next(false),
        KeyCode::Char('>') => screen.sort_by_next(true),
        KeyCode::Char('r') => screen.reverse(),
        KeyCode::Char('/') => screen.typed = screen.filter().map(str::to_owned),
        KeyCode::Char('p') => {
            screen.is_paused = !screen.is_paused;
            return look_if(!screen.is_paused);
        }
        KeyCode::Char('+') => screen.look_more_often(),
        KeyCode::Char('-') => screen.look_less_often(),
        _ => {}
    }
    Then::Nothing
}

/// The filter counts while it is typed.
fn type_filter(screen: &mut Screen, mut typed: String, code: KeyCode) -> Then {
    match code {
        KeyCode::Enter => return Then::Nothing,
        KeyCode::Esc => {
            screen.set_filter("");
            return Then::Nothing;
        }
        KeyCode::Backspace => _ = typed.pop(),
        KeyCode::Char(c) if !c.is_control() && typed.len() < 256 => typed.push(c),
        _ => {}
    }
    screen.set_filter(&typed);
    screen.typed = Some(typed);
    Then::Nothing
}

fn step(screen: &mut Screen, step: Step) -> Then {
    look_if(screen.step(step))
}

fn look_if(is_wanted: bool) -> Then {
    if is_wanted { Then::Look } else { Then::Nothing }
}
