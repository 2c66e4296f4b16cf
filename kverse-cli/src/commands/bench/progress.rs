//! How far the measurement is, on a terminal.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::load::Load;
use super::record::Recorder;

/// A bar on standard error while it lives; nothing if that is not a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    moving: JoinHandle<()>,
}

impl Progress {
    const INTERVAL: Duration = Duration::from_millis(200);

    pub(super) fn start(load: &Load, recorder: Arc<Recorder>) -> Self {
        // By requests, or else by milliseconds.
        let millis = load.duration.map(millis_of);
        let bar = ProgressBar::new(load.requests.or(millis).unwrap_or_default());
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}") {
            bar.set_style(style);
        }
        let (shown, by_time, start) = (bar.clone(), millis.is_some(), Instant::now());
        let moving = tokio::spawn(async move {
            let mut ticks = interval(Self::INTERVAL);
            let mut before = 0;
            loop {
                ticks.tick().await;
                let sent = recorder.sent();
                let per_second = (sent - before) * 1000 / millis_of(Self::INTERVAL);
                before = sent;
                shown.set_message(format!("{per_second} requests/s"));
                shown.set_position(if by_time {
                    millis_of(start.elapsed())
                } else {
                    sent
                });
            }
        });
        Self { bar, moving }
    }
}

fn millis_of(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.moving.abort();
        self.bar.finish_and_clear();
    }
}
