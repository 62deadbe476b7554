//! Pages of a list that is known as a whole, by their numbers.

use maud::{Markup, html};

/// One of several pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pager {
    page: usize,
    per_page: usize,
    total: usize,
}

impl Pager {
    /// The page that was asked for, the first being 0; the last one, if there are fewer.
    pub(super) fn new(asked: usize, per_page: usize, total: usize) -> Self {
        let pages = total.div_ceil(per_page).max(1);
        Self { page: asked.min(pages - 1), per_page, total }
    }

    /// What of all is on this page.
    pub(super) fn of<T>(self, all: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        all.into_iter().skip(self.page * self.per_page).take(self.per_page)
    }

    /// How many there are on all pages.
    pub(super) fn total(self) -> usize {
        self.total
    }

    /// Whether there are others.
    pub(super) fn is_part(self) -> bool {
        self.total > self.per_page
    }

    /// The way to the others, `to` being where a page is; nothing where there are none.
    pub(super) fn links(self, label: &str, to: impl Fn(usize) -> String) -> Markup {
        let pages = self.total.div_ceil(self.per_page);
        html! {
            @if self.is_part() {
                nav .pager aria-label=(label) {
                    @if self.page > 0 { a .button href=(to(self.page - 1)) { "Back" } }
                    @else { span {} }
                    span .quiet { "page " (self.page + 1) " of " (pages) }
                    @if self.page + 1 < pages { a .button href=(to(self.page + 1)) { "Next" } }
                    @else { span {} }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_behind_the_last_is_the_last() {
        let pager = Pager::new(usize::MAX, 10, 25);
        assert_eq!(pager.of(0..25).collect::<Vec<_>>(), (20..25).collect::<Vec<_>>());
        assert!(pager.is_part());
    }

    #[test]
    fn nothing_is_one_page() {
        let pager = Pager::new(3, 10, 0);
        assert_eq!(pager.of(0..0).count(), 0);
        assert!(!Pager::new(0, 10, 10).is_part());
        assert_eq!(pager.links("Pages", |_| String::new()).0, "");
    }
}
