//! The load generator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kverse_core::Result;
use rand::RngExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::interrupts::Interrupts;
use super::record::Recorder;
use crate::args::{BenchArgs, Mix};

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    Put,
    Delete,
}

impl Operation {
    pub(super) const ALL: [Self; 3] = [Self::Get, Self::Put, Self::Delete];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }

    fn random(mix: Mix) -> Self {
        let [get, put, delete] = [mix.get, mix.put, mix.delete].map(u32::from);
        let chosen = rand::rng().random_range(0..(get + put + delete).max(1));
        if chosen < get {
            Self::Get
        } else if chosen < get + put {
            Self::Put
        } else {
            Self::Delete
        }
    }
}

/// One request, with the number of its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) key: u32,
}

/// How much is asked, and how fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    clients: u32,
    keys: u32,
    mix: Mix,
    /// Requests a second.
    rate: Option<u32>,
    /// How long; without end if there is a count.
    pub(super) duration: Option<Duration>,
    pub(super) requests: Option<u64>,
}

impl Load {
    /// A timer is late by up to this; the load generator's lateness is not that of the store.
    const TIMER: Duration = Duration::from_millis(2);

    const DEFAULT_DURATION: Duration = Duration::from_secs(10);

    pub(super) fn new(args: &BenchArgs) -> Self {
        let requests = args.requests.map(u64::from);
        Self {
            clients: args.clients,
            keys: args.keys,
            mix: args.mix,
            rate: args.rate.map(u32::from),
            duration: match requests {
                Some(_) => None,
                None => Some(args.duration.unwrap_or(Self::DEFAULT_DURATION)),
            },
            requests,
        }
    }

    /// Sends the requests until enough were sent, the time is over or somebody interrupts, and waits for the answers.
    /// How long that took.
    pub(super) async fn run<F, Answer>(
        self,
        recorder: &Arc<Recorder>,
        send: F,
        interrupts: &Interrupts,
    ) -> Duration
    where
        F: Fn(Request) -> Answer + Clone + Send + 'static,
        Answer: Future<Output = Result<()>> + Send + 'static,
    {
        let start = Instant::now();
        let next = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            let client = Client {
                load: self,
                start,
                next: Arc::clone(&next),
                recorder: Arc::clone(recorder),
                interrupts: interrupts.clone(),
            };
            clients.spawn(client.run(send.clone()));
        }
        while clients.join_next().await.is_some() {}
        start.elapsed()
    }

    /// When a request is due, counted from the start.
    fn due(&self, index: u64) -> Option<Duration> {
        let rate = u64::from(self.rate?);
        let nanos = index % rate * 1_000_000_000 / rate;
        Some(Duration::from_secs(index / rate) + Duration::from_nanos(nanos))
    }

    /// How many requests are due in this time.
    pub(super) fn due_within(&self, time: Duration) -> Option<u64> {
        let time = self.duration.map_or(time, |duration| duration.min(time));
        let due = u128::from(self.rate?) * time.as_nanos();
        let due = u64::try_from(due.div_ceil(1_000_000_000)).unwrap_or(u64::MAX);
        Some(self.requests.map_or(due, |requests| requests.min(due)))
    }
}

/// One of those who ask, one thing at a time.
struct Client {
    load: Load,
    start: Instant,
    /// The number of the next request, over all clients.
    next: Arc<AtomicU64>,
    recorder: Arc<Recorder>,
    interrupts: Interrupts,
}

impl Client {
    async fn run<F, Answer>(self, send: F)
    where
        F: Fn(Request) -> Answer,
        Answer: Future<Output = Result<()>>,
    {
        while let Some(began) = self.turn().await {
            let request = Request {
                operation: Operation::random(self.load.mix),
                key: rand::rng().random_range(0..self.load.keys),
            };
            self.recorder.send();
            let result = send(request).await;
            self.recorder
                .add(request.operation, began.elapsed(), result);
        }
    }

    /// Waits until the next request is due, and says since when it is; `None` if that was the last one.
    async fn turn(&self) -> Option<Instant> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let end = self.load.duration.map(|duration| self.start + duration);
        let is_over = |time| end.is_some_and(|end| time >= end);
        let is_enough = self.load.requests.is_some_and(|count| index >= count);
        if is_enough || is_over(now) || self.interrupts.any() {
            return None;
        }
        let Some(due) = self.load.due(index) else {
            return Some(now);
        };
        let due = self.start + due;
        if due <= now {
            // All clients were waiting: the time since then counts.
            return Some(due);
        }
        if is_over(due) {
            return None;
        }
        tokio::select! {
            () = sleep_until(due) => {}
            () = self.interrupts.received(1) => return None,
        }
        let now = Instant::now();
        Some(if now - due < Self::TIMER { now } else { due })
    }

    const TIMER: Duration = Load::TIMER;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(2);
    const SERVICE: Duration = Duration::from_millis(1);

    /// The load on a store that takes a millisecond for each request, but for two seconds, from the third one on, answers
    /// nothing.
    async fn stalled(rate: Option<u32>) -> (Load, Arc<Recorder>, Duration) {
        let load = Load {
            clients: 4,
            keys: 10,
            mix: Mix::default(),
            rate,
            duration: Some(Duration::from_secs(10)),
            requests: None,
        };
        let recorder = Arc::new(Recorder::new().unwrap());
        let start = Instant::now();
        let send = move |_| async move {
            let stall = (
                start + Duration::from_secs(3),
                start + Duration::from_secs(3) + PAUSE,
            );
            if Instant::now() >= stall.0 {
                sleep_until(stall.1).await;
            }
            tokio::time::sleep(SERVICE).await;
            Ok(())
        };
        let elapsed = load.run(&recorder, send, &Interrupts::none()).await;
        (load, recorder, elapsed)
    }

    /// The share of requests that took longer than this.
    fn share_over(recorder: &Recorder, limit: Duration) -> f64 {
        let mut all = recorder.record(Operation::Get).latencies.clone();
        all.add(&recorder.record(Operation::Put).latencies).unwrap();
        let limit = u64::try_from(limit.as_micros()).unwrap();
        1.0 - all.quantile_below(limit)
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_shows_that_the_store_stalled() {
        let (load, recorder, elapsed) = stalled(Some(100)).await;
        assert_eq!(load.due_within(elapsed), Some(1000));
        assert_eq!(recorder.sent(), 1000, "each request was sent, late or not");
        // Of those that were due in 2 of 10 seconds the first half waited for more than a second.
        let share = share_over(&recorder, Duration::from_secs(1));
        assert!((0.09..0.12).contains(&share), "{share}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_loop_hides_that_the_store_stalled() {
        let (load, recorder, elapsed) = stalled(None).await;
        assert_eq!(load.due_within(elapsed), None);
        assert!(recorder.sent() > 10_000, "{}", recorder.sent());
        let share = share_over(&recorder, Duration::from_secs(1));
        // One request of each client.
        assert!(share > 0.0 && share < 0.001, "{share}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_sent_in_time_is_known() {
        let load = Load {
            clients: 1,
            keys: 1,
            mix: Mix::default(),
            rate: Some(100),
            duration: Some(Duration::from_secs(1)),
            requests: None,
        };
        let recorder = Arc::new(Recorder::new().unwrap());
        let send = |_| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(())
        };
        let elapsed = load.run(&recorder, send, &Interrupts::none()).await;
        let due = load.due_within(elapsed).unwrap();
        assert_eq!((due, recorder.sent()), (100, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_count_the_mix_and_the_rate_are_kept() {
        let load = Load {
            clients: 8,
            keys: 5,
            mix: "get=1,put=2,delete=1".parse().unwrap(),
            rate: Some(500),
            duration: None,
            requests: Some(2000),
        };
        let recorder = Arc::new(Recorder::new().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let send = move |request| {
            log.lock().unwrap().push(request);
            std::future::ready(Ok(()))
        };
        let elapsed = load.run(&recorder, send, &Interrupts::none()).await;
        // The last one was due after 3.998 s.
        assert_eq!(elapsed.as_millis(), 3998);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2000);
        let puts = seen.iter().filter(|r| r.operation == Operation::Put);
        assert!((800..1200).contains(&puts.count()));
        assert!((0..5).all(|key| seen.iter().any(|request| request.key == key)));
    }
}
