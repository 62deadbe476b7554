//! The screen as characters.
//!
//! A mark stands before the chosen line, and words say what colours say: it reads the same without
//! colours and without reverse video.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use super::columns::SortColumn;
use super::keys::KEYS;
use super::level::{Level, line_of};
use super::listing::Listing;
use super::look::GroupKey;
use super::pending_level::PendingLevel;
use super::screen::Screen;
use super::short_number::{short_age, short_count, short_rate};
use crate::name::Name;
use crate::output::{age_of, or_dash, plural, short, short_or_dash};

/// A text has at least so many columns; others give way.
const TEXT_WIDTH_MIN: u16 = 8;
/// What ends a text that was cut.
const CUT: char = '~';

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) has_colours: bool,
    /// Other characters are shown by their numbers.
    pub(super) is_ascii: bool,
}

impl Theme {
    /// By `NO_COLOR`, and by what the locale says of characters.
    pub(super) fn of_environment() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { has_colours, is_ascii: !locale.contains("utf-8") && !locale.contains("utf8") }
    }

    fn alarm(self) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        if self.has_colours { bold.fg(Color::Red) } else { bold }
    }

    fn text(self, text: &str) -> String {
        if !self.is_ascii || text.is_ascii() {
            return text.to_owned();
        }
        let of = |c: char| match c.is_ascii() {
            true => c.to_string(),
            false => c.escape_unicode().to_string(),
        };
        text.chars().map(of).collect()
    }
}

/// A cell of a table: where it begins, how wide it is, to which side its text is.
#[derive(Clone, Copy, Debug)]
struct Place {
    x: u16,
    width: u16,
    is_right: bool,
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

pub(super) fn draw(screen: &mut Screen, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    // As terminals are for a moment while they are made.
    if area.is_empty() {
        return;
    }
    if area.height < super::screen::LINES_AROUND + 1 || area.width < 20 {
        put(frame.buffer_mut(), line(area, 0), "too small", Style::new(), theme);
        return;
    }
    let body = Rect { y: 3, height: area.height - super::screen::LINES_AROUND, ..area };
    let mut looks = format!("every {}", short(screen.interval));
    if screen.is_paused {
        looks = "PAUSED".to_owned();
    }
    let title = format!("millstream top  {}  {}  {looks}", screen.called, screen.address);
    let buffer = frame.buffer_mut();
    put(buffer, line(area, 0), &title, BOLD, theme);
    put(buffer, line(area, area.height - 1), &footer(screen), footer_style(screen, *theme), theme);
    if screen.is_help_shown {
        return draw_help(buffer, area, theme);
    }
    put(buffer, line(area, 1), &about(screen), Style::new(), theme);
    match screen.level_mut() {
        Level::Groups(listing) => draw_listing(buffer, body, listing, theme),
        Level::Consumers(level) => draw_listing(buffer, body, &level.listing, theme),
        Level::Pending(level) => draw_pending(buffer, body, level, theme),
        Level::Entry(level) => {
            let (width, height) = (usize::from(body.width) - 1, usize::from(body.height));
            let (lines, first, count) = level.lines(width, height);
            let head = format!("FIELDS, line {} of {count}", first + 1);
            put_header(buffer, body, &head, theme);
            for (at, text) in (0..).zip(lines) {
                put(buffer, line(body, at), &format!(" {text}"), Style::new(), theme);
            }
        }
    }
}

fn line(area: Rect, at: u16) -> Rect {
    Rect { y: area.y + at, height: 1, ..area }
}

/// As much as there is room for.
fn put(buffer: &mut Buffer, at: Rect, text: &str, style: Style, theme: &Theme) {
    let text = fit(&theme.text(text), usize::from(at.width));
    buffer.set_string(at.x, at.y, text, style);
}

fn put_header(buffer: &mut Buffer, body: Rect, text: &str, theme: &Theme) {
    let at = Rect { y: body.y - 1, height: 1, ..body };
    buffer.set_style(at, REVERSED);
    put(buffer, at, &format!(" {text}"), REVERSED, theme);
}

/// Cut to so many columns, with a mark where something was cut off.
fn fit(text: &str, width: usize) -> String {
    if Span::raw(text).width() <= width {
        return text.to_owned();
    }
    let mut fitting = String::new();
    for c in text.chars() {
        fitting.push(c);
        if Span::raw(&*fitting).width() + 1 > width {
            fitting.pop();
            break;
        }
    }
    fitting.push(CUT);
    fitting
}

fn draw_help(buffer: &mut Buffer, area: Rect, theme: &Theme) {
    put(buffer, line(area, 1), "Keys. Any key goes back.", Style::new(), theme);
    for (at, (keys, what)) in (2..area.height - 1).zip(KEYS) {
        put(buffer, line(area, at), &format!("  {keys:<14} {what}"), Style::new(), theme);
    }
}

fn footer(screen: &Screen) -> String {
    if let Some(typed) = &screen.typed {
        return format!("/{typed}_   Enter: keep it, Esc: take it away");
    }
    if let Some(trouble) = &screen.trouble {
        let trouble = crate::output::visible(trouble.as_bytes());
        return format!("LOST, tried again every {}: {trouble}", short(screen.interval));
    }
    if let Some(refused) = &screen.refused {
        return format!("Not all is seen: {}", crate::output::visible(refused.as_bytes()));
    }
    match screen.level() {
        Level::Groups(_) => {
            "? keys  Enter consumers  a pending  < > r sort  / filter  p pause  q end"
        }
        Level::Consumers(_) => {
            "? keys  Enter pending  Esc back  < > r sort  / filter  p pause  q end"
        }
        Level::Pending(_) => "? keys  Enter entry  Esc back  PgDn PgUp pages  p pause  q end",
        Level::Entry(_) => "? keys  Esc back  up down scroll  q end",
    }
    .to_owned()
}

fn footer_style(screen: &Screen, theme: Theme) -> Style {
    let is_alarm = screen.typed.is_none() && (screen.trouble.is_some() || screen.refused.is_some());
    if is_alarm { theme.alarm() } else { Style::new() }
}

/// What the table is about.
fn about(screen: &Screen) -> String {
    if !screen.has_looked {
        return "looking ...".to_owned();
    }
    let with_filter = |text: String, (at, of): (usize, usize), filter: &str| match filter {
        "" => format!("{text}  line {at} of {of}"),
        filter => format!("{text}  line {at} of {of} with {filter}"),
    };
    let position = |level: &PendingLevel| {
        let more = match &level.page {
            _ if level.is_gone => "the group is gone",
            None => "looking ...",
            Some(page) if page.has_more => "more below",
            Some(page) if page.rows.is_empty() => "nothing is pending",
            Some(_) => "the last one",
        };
        format!("page {}, {more}", level.page_number())
    };
    match screen.level() {
        Level::Groups(listing) => {
            let summary = &screen.summary;
            let (groups, streams) = (summary.groups as u64, summary.streams as u64);
            let mut text = format!("{}, {}", plural(groups, "group"), plural(streams, "stream"));
            if summary.is_cut {
                text.push_str("; THERE ARE MORE: name streams or a pattern");
            }
            if summary.oldest_look > screen.interval * 2 && screen.trouble.is_none() {
                text.push_str(&format!("; looked at in {}", short(summary.oldest_look)));
            }
            with_filter(text, listing.position(), listing.filter())
        }
        Level::Consumers(level) if level.is_gone => {
            format!("{}: the group is gone", path(&level.of))
        }
        Level::Consumers(level) => {
            let text = format!("{}: {}", path(&level.of), group_facts(screen, &level.of));
            match level.listing.filter() {
                "" => text,
                filter => with_filter(text, level.listing.position(), filter),
            }
        }
        Level::Pending(level) => {
            let consumer = level.consumer.clone().map(Name::from);
            let whose = consumer.map_or_else(String::new, |name| format!(" > {name}"));
            format!("{}{whose}: {}", path(&level.of), position(level))
        }
        Level::Entry(level) => {
            let state = match &level.pending {
                None => "not pending any more".to_owned(),
                Some(pending) => {
                    let name = or_dash(pending.consumer.clone().map(Name::from));
                    let (idle, count) = (short_or_dash(pending.idle), pending.deliveries);
                    format!("of {name}, idle {idle}, deliveries {count}")
                }
            };
            format!("{} > {}: {state}", path(&level.of), level.id)
        }
    }
}

fn path(of: &GroupKey) -> String {
    format!("{} > {}", Name::from(of.stream.clone()), Name::from(of.group.clone()))
}

fn group_facts(screen: &Screen, of: &GroupKey) -> String {
    let Some(line) = line_of(screen.lines(), of) else { return "looking ...".to_owned() };
    let blocked = line.blocked_by.as_ref().map_or_else(String::new, |by| format!(", {by}"));
    format!(
        "in {}/s, out {}/s, lag {}, pending {}{blocked}",
        or_dash(line.rate_in.map(short_rate)),
        or_dash(line.rate_out.map(short_rate)),
        or_dash(line.lag.map(short_count)),
        or_dash(line.pending.map(short_count)),
    )
}

/// Where columns stand that are so wide (`None`: texts, which share the rest by what they need).
/// Those to the right that find no room are left out.
fn places(width: u16, columns: &[Option<u16>], needed: &[u16]) -> Vec<Place> {
    let texts = columns.iter().filter(|column| column.is_none()).count() as u16;
    let mut count = columns.len();
    let fixed = |count: usize| -> u16 {
        // One more between two columns, and the mark before all.
        columns[..count].iter().map(|column| column.unwrap_or(0) + 1).sum()
    };
    while count > 1 && fixed(count) + texts * TEXT_WIDTH_MIN > width {
        count -= 1;
    }
    let mut left = width.saturating_sub(fixed(count));
    let mut texts_left = texts;
    let mut x = 1;
    let mut places = Vec::with_capacity(count);
    for (index, column) in columns[..count].iter().enumerate() {
        let width = column.unwrap_or_else(|| {
            texts_left -= 1;
            // What those behind it do not need is for this one.
            let others: u16 =
                (index + 1..count).filter(|it| columns[*it].is_none()).map(|it| needed[it]).sum();
            let share = left / (texts_left + 1);
            let mine = share.max(left.saturating_sub(others)).min(left);
            let mine = if texts_left == 0 { left } else { mine.min(needed[index].max(share)) };
            left -= mine;
            mine
        });
        places.push(Place { x, width, is_right: column.is_some() });
        x += width + 1;
    }
    places
}

fn put_cell(buffer: &mut Buffer, body: Rect, y: u16, place: Place, text: &str, style: Style) {
    let text = fit(text, usize::from(place.width));
    let used = Span::raw(&*text).width() as u16;
    let inset = if place.is_right { place.width.saturating_sub(used) } else { 0 };
    buffer.set_string(body.x + place.x + inset, y, text, style);
}

/// A header with its marks, and lines.
fn draw_table(
    buffer: &mut Buffer,
    body: Rect,
    headers: &[(String, Option<u16>)],
    rows: &[(Vec<String>, bool)],
    theme: &Theme,
) {
    let shown = |text: &str| theme.text(text);
    let rows: Vec<(Vec<String>, bool)> = (rows.iter())
        .map(|(cells, is_chosen)| (cells.iter().map(|cell| shown(cell)).collect(), *is_chosen))
        .collect();
    let needed: Vec<u16> = (0..headers.len())
        .map(|index| {
            let cells = rows.iter().map(|(cells, _)| Span::raw(&*cells[index]).width());
            cells.chain([headers[index].0.len()]).max().unwrap_or(0).min(1000) as u16
        })
        .collect();
    let widths: Vec<Option<u16>> = headers.iter().map(|(_, width)| *width).collect();
    let places = places(body.width, &widths, &needed);
    put_header(buffer, body, "", theme);
    for (place, (header, _)) in places.iter().zip(headers) {
        put_cell(buffer, body, body.y - 1, *place, header, REVERSED);
    }
    for (y, (cells, is_chosen)) in (body.y..body.y + body.height).zip(&rows) {
        let style = if *is_chosen { BOLD } else { Style::new() };
        if *is_chosen {
            buffer.set_string(body.x, y, ">", style);
        }
        for (place, cell) in places.iter().zip(cells) {
            put_cell(buffer, body, y, *place, cell, style);
        }
    }
}

fn draw_listing<C: SortColumn>(
    buffer: &mut Buffer,
    body: Rect,
    listing: &Listing<C>,
    theme: &Theme,
) {
    let cells = |row: &C::Row| C::ALL.iter().map(|column| column.cell(row)).collect();
    let rows: Vec<(Vec<String>, bool)> =
        listing.visible().map(|(row, is_chosen)| (cells(row), is_chosen)).collect();
    let headers: Vec<(String, Option<u16>)> = (C::ALL.iter())
        .map(|column| {
            // Texts begin with the first, numbers with the largest.
            let is_rising = column.width().is_none() != listing.is_reversed();
            let mark = match (*column == listing.sort(), is_rising) {
                (false, _) => "",
                (true, true) => "^",
                (true, false) => "v",
            };
            (format!("{}{mark}", column.header()), column.width())
        })
        .collect();
    draw_table(buffer, body, &headers, &rows, theme);
}

fn draw_pending(buffer: &mut Buffer, body: Rect, level: &PendingLevel, theme: &Theme) {
    let headers = [
        ("ID", None),
        ("CONSUMER", None),
        ("AGE", Some(8)),
        ("IDLE", Some(8)),
        ("DELIVERIES", Some(10)),
    ];
    let headers = headers.map(|(header, width)| (header.to_owned(), width));
    let chosen = level.chosen();
    let rows: Vec<(Vec<String>, bool)> = (level.rows().iter().enumerate())
        .map(|(index, entry)| {
            let cells = vec![
                entry.id.to_string(),
                or_dash(entry.consumer.clone().map(Name::from)),
                short_age(age_of(entry.id)),
                or_dash(entry.idle.map(short_age)),
                entry.deliveries.to_string(),
            ];
            (cells, index == chosen)
        })
        .collect();
    draw_table(buffer, body, &headers, &rows, theme);
}
