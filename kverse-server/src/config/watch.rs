//! Options of `/watch`.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How clients that watch are served.
#[derive(Clone, Debug, clap::Args)]
#[non_exhaustive]
pub struct WatchConfig {
    /// Most clients that watch at once; more are answered with 503
    #[arg(
        long,
        env = "KVERSE_MAX_WATCHERS",
        value_name = "N",
        default_value = "10000"
    )]
    max_watchers: NonZeroUsize,

    /// After how long without an event a client that watches is sent a sign of life, 1s to 1h
    #[arg(
        long,
        env = "KVERSE_WATCH_HEARTBEAT",
        value_name = "DURATION",
        default_value = "15s"
    )]
    #[arg(value_parser = parse_heartbeat)]
    pub watch_heartbeat: Duration,
}

impl WatchConfig {
    /// Most clients that watch at once; a semaphore counts no further.
    pub(crate) fn max_watchers(&self) -> usize {
        self.max_watchers
            .get()
            .min(tokio::sync::Semaphore::MAX_PERMITS)
    }
}

fn parse_heartbeat(text: &str) -> Result<Duration, String> {
    const RANGE: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(60 * 60);
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if RANGE.contains(&duration) {
        Ok(duration)
    } else {
        Err("out of range: 1s to 1h".to_owned())
    }
}
