//! A progress bar that counts bytes; invisible where nobody looks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for so many bytes.
pub(crate) fn byte_bar(what: &'static str, bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let template = "{msg:12} {wide_bar} {binary_bytes}/{binary_total_bytes} {eta}";
    bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
