//! How far a long command got.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

/// A bar on standard error, if that is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// A bar of so many bytes; without an end if nobody knows how many.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        let (bar, template) = match bytes {
            Some(bytes) => (
                ProgressBar::new(bytes),
                "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {msg}, {eta} left",
            ),
            None => (
                ProgressBar::no_length(),
                "{spinner} {bytes}, {bytes_per_sec}, {msg}",
            ),
        };
        // The templates are right; a plain bar would do as well.
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::of(bar)
    }

    /// None.
    pub(crate) fn hidden() -> Self {
        Self::of(ProgressBar::hidden())
    }

    fn of(bar: ProgressBar) -> Self {
        let started = Instant::now();
        Self { bar, started }
    }

    /// So many bytes, and entries, are done.
    pub(crate) fn set(&self, bytes: u64, entries: u64) {
        if !self.bar.is_hidden() {
            self.bar
                .set_message(format!("{} entries", HumanCount(entries)));
            self.bar.set_position(bytes);
        }
    }

    /// Takes the bar away, and says what was done in how long.
    pub(crate) fn summary(&self, verb: &str, entries: u64, bytes: u64) -> String {
        self.bar.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = |count: u64| (count as f64 / seconds.max(0.001)) as u64;
        let noun = if entries == 1 { "entry" } else { "entries" };
        format!(
            "{verb} {entries} {noun}, {} in {seconds:.1} s ({} entries/s, {}/s)",
            HumanBytes(bytes),
            HumanCount(rate(entries)),
            HumanBytes(rate(bytes)),
        )
    }
}
