//! Lines in an order, of which some are on the screen and one is chosen.

use std::cmp::Ordering;

use super::columns::{SortColumn, SortValue};

/// The chosen line stays chosen wherever the order puts it; unless it is the first one, which is
/// whatever comes first.
#[derive(Debug)]
pub(super) struct Listing<C: SortColumn> {
    rows: Vec<C::Row>,
    /// Indexes of the rows that the filter lets through.
    order: Vec<usize>,
    sort: C,
    is_reversed: bool,
    /// In small letters; empty: none.
    filter: String,
    /// Places in `order`: of the chosen line, and of the first one on the screen.
    chosen: usize,
    first: usize,
    is_at_start: bool,
    /// Lines that the screen has room for.
    height: usize,
}

/// Where to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Up,
    Down,
    PageUp,
    PageDown,
    Start,
    End,
}

impl<C: SortColumn> Listing<C> {
    pub(super) fn new(sort: C) -> Self {
        Self {
            rows: Vec::new(),
            order: Vec::new(),
            sort,
            is_reversed: false,
            filter: String::new(),
            chosen: 0,
            first: 0,
            is_at_start: true,
            height: 1,
        }
    }

    pub(super) fn set_rows(&mut self, rows: Vec<C::Row>) {
        let key = self.chosen_row().map(C::key);
        self.rows = rows;
        self.arrange(key);
    }

    pub(super) fn set_filter(&mut self, filter: &str) {
        self.filter = filter.to_lowercase();
        self.arrange_again();
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    pub(super) fn sort(&self) -> C {
        self.sort
    }

    pub(super) fn is_reversed(&self) -> bool {
        self.is_reversed
    }

    pub(super) fn reverse(&mut self) {
        self.is_reversed = !self.is_reversed;
        self.arrange_again();
    }

    /// The next column, to the right or to the left.
    pub(super) fn sort_by_next(&mut self, is_right: bool) {
        let count = C::ALL.len();
        let at = C::ALL.iter().position(|it| *it == self.sort).unwrap_or(0);
        let next = if is_right { at + 1 } else { at + count - 1 };
        self.sort = C::ALL[next % count];
        self.is_reversed = false;
        self.arrange_again();
    }

    pub(super) fn step(&mut self, step: Step) {
        let (last, page) = (self.order.len().saturating_sub(1), self.height.max(1));
        self.chosen = match step {
            Step::Up => self.chosen.saturating_sub(1),
            Step::Down => (self.chosen + 1).min(last),
            Step::PageUp => self.chosen.saturating_sub(page),
            Step::PageDown => (self.chosen + page).min(last),
            Step::Start => 0,
            Step::End => last,
        };
        self.is_at_start = self.chosen == 0;
        self.scroll();
    }

    pub(super) fn set_height(&mut self, height: usize) {
        self.height = height;
        self.scroll();
    }

    pub(super) fn chosen_row(&self) -> Option<&C::Row> {
        self.order.get(self.chosen).map(|index| &self.rows[*index])
    }

    /// What is on the screen, and which of it is chosen.
    pub(super) fn visible(&self) -> impl Iterator<Item = (&C::Row, bool)> {
        let places = (self.first..self.order.len()).take(self.height);
        places.map(|place| (&self.rows[self.order[place]], place == self.chosen))
    }

    pub(super) fn rows(&self) -> &[C::Row] {
        &self.rows
    }

    /// Lines that the filter lets through, and where among them the chosen one is, from 1.
    pub(super) fn position(&self) -> (usize, usize) {
        let at = if self.order.is_empty() { 0 } else { self.chosen + 1 };
        (at, self.order.len())
    }

    fn arrange_again(&mut self) {
        let key = self.chosen_row().map(C::key);
        self.arrange(key);
    }

    fn arrange(&mut self, chosen: Option<C::Key>) {
        let Self { rows, filter, sort, is_reversed, .. } = self;
        let passes = |row: &C::Row| {
            filter.is_empty() || C::name(row).to_lowercase().contains(filter.as_str())
        };
        let mut keyed: Vec<(usize, SortValue)> = (rows.iter().enumerate())
            .filter(|(_, row)| passes(row))
            .map(|(index, row)| (index, sort.value(row)))
            .collect();
        keyed.sort_by(|(a, a_value), (b, b_value)| {
            let (a, b) = (&rows[*a], &rows[*b]);
            let first = C::is_first(b).cmp(&C::is_first(a));
            let by_value = || compare(a_value, b_value, *is_reversed);
            first.then_with(by_value).then_with(|| C::key(a).cmp(&C::key(b)))
        });
        self.order = keyed.into_iter().map(|(index, _)| index).collect();
        let chosen = chosen.filter(|_| !self.is_at_start);
        let place = chosen
            .and_then(|key| self.order.iter().position(|index| C::key(&self.rows[*index]) == key));
        // What is chosen went: whatever is in its place.
        let otherwise = if self.is_at_start { 0 } else { self.chosen };
        self.chosen = place.unwrap_or(otherwise).min(self.order.len().saturating_sub(1));
        self.scroll();
    }

    /// Has the chosen line on the screen, and no room left below where there are lines above.
    fn scroll(&mut self) {
        let height = self.height.max(1);
        let lowest = (self.chosen + 1).saturating_sub(height);
        self.first = self.first.clamp(lowest, self.chosen);
        self.first = self.first.min(self.order.len().saturating_sub(height));
    }
}

/// What is not known comes last in both directions.
fn compare(a: &SortValue, b: &SortValue, is_reversed: bool) -> Ordering {
    let turned = |order: Ordering| if is_reversed { order.reverse() } else { order };
    match (a, b) {
        (SortValue::Text(a), SortValue::Text(b)) => turned(a.cmp(b)),
        (SortValue::Number(a), SortValue::Number(b)) => match (a, b) {
            (Some(a), Some(b)) => turned(b.total_cmp(a)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        },
        _ => unreachable!("a column has values of one kind"),
    }
}
