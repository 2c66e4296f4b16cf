//! The task of a replica that agrees with the others on the mode.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::epoch::CacheError;
use super::inspection::{Inspection, ToldTime};
use super::mode::{Mode, ModeState};
use super::replicated::Shared;
use super::view::Known;
use crate::{Error, ErrorKind, Key, Result};

/// Reads the register again and again, says that this replica is alive, probes the cache, and changes the mode when that
/// is due.
pub(super) struct Controller {
    shared: Arc<Shared>,
    /// The revision that this replica has last reported as its own.
    reported: u64,
    /// Since when each probe of the cache was answered.
    reachable_since: Option<Instant>,
    /// The epoch that this replica was to open and could not.
    failed_to_open: Option<u64>,
    more_to_sweep: bool,
    inspection: Option<Inspection>,
}

/// What a turn learned from the register.
struct Turn {
    began: Instant,
    /// Whether every live replica has reported this replica's revision.
    all_ready: bool,
    database_time: ToldTime,
}

/// How a probe of the cache ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// It answers, and knows the epoch if one is in use.
    Good,
    /// It answers, but the epoch is gone.
    EpochLost,
    /// It does not answer.
    Failed,
    /// It answers, and must not be used.
    Unfit,
}

impl Controller {
    /// Between two turns at least.
    const MIN_PAUSE: Duration = Duration::from_millis(20);
    /// A probe of the cache takes no longer: the register is to be read again.
    const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
    /// A key whose lookup tells whether the epoch is known.
    const PROBE_KEY: &str = "kverse/probe";

    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            reported: 0,
            reachable_since: None,
            failed_to_open: None,
            more_to_sweep: false,
            inspection: None,
        }
    }

    /// Runs until it is aborted.
    pub(super) async fn run(mut self) {
        loop {
            if self.turn().await {
                // The mode has changed: what follows from that need not wait.
                continue;
            }
            sleep(Self::MIN_PAUSE).await;
            let rest = self
                .shared
                .timing
                .register_interval
                .saturating_sub(Self::MIN_PAUSE);
            let _ = timeout(rest, self.shared.wake.notified()).await;
        }
    }

    /// One turn; whether the mode changed.
    async fn turn(&mut self) -> bool {
        let turn = match timeout(self.shared.timing.lease, self.read_register()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the mode of the cache cannot be read");
                return false;
            }
            Err(_) => {
                tracing::warn!("the mode of the cache cannot be read in time");
                return false;
            }
        };
        let Some(known) = self.shared.view.known() else {
            return false;
        };
        let probe = self.probe(&known.state, turn.database_time).await;
        match self.next_state(&known, probe, turn.all_ready).await {
            Some(next) => self.change(turn.began, known.state, next).await,
            None => {
                self.sweep(&known).await;
                false
            }
        }
    }

    async fn read_register(&mut self) -> Result<Turn> {
        // First, so that no replica that relies on the register is unknown to the others.
        let began = Instant::now();
        let shared = &*self.shared;
        self.reported = self.report();
        let forget_after = shared.timing.forgotten_after();
        let heartbeat = shared
            .register
            .heartbeat(shared.replica, self.reported, forget_after)
            .await?;
        let database_time = ToldTime::new(heartbeat.now, began);
        let asked_at = Instant::now();
        self.check_recent(began, asked_at)?;
        let state = shared.register.read().await?;
        self.learn(&state, asked_at);
        Ok(Turn {
            began,
            // Else it was another revision that was counted.
            all_ready: state.revision == self.reported && heartbeat.alive == heartbeat.ready,
            database_time,
        })
    }

    /// A lease that begins long after the heartbeat of its turn might outlive the time after which others forget this
    /// replica: [`Timing::forgotten_after`](super::Timing).
    fn check_recent(&self, began: Instant, now: Instant) -> Result<()> {
        if now.duration_since(began) <= self.shared.timing.lease {
            return Ok(());
        }
        let message = "this process was paused, or the database is slow";
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    fn learn(&self, state: &ModeState, asked_at: Instant) {
        if self.shared.view.learn(state.clone(), asked_at) {
            self.shared.counters.transition(state.mode);
            let ModeState {
                revision,
                epoch,
                mode,
                ..
            } = state;
            tracing::info!(revision, epoch, ?mode, "the mode of the cache has changed");
        }
    }

    /// The revision that this replica keeps to: its writes of older ones are over, and it reaches the cache.
    fn report(&self) -> u64 {
        let Some(known) = self.shared.view.known() else {
            return self.reported;
        };
        let revision = known.state.revision;
        let lifetime = self.shared.timing.marker_lifetime;
        let older_writes = self.shared.in_flight.any_older(revision, lifetime);
        if older_writes || !self.is_stable(&known) {
            // One less than what the others wait for.
            self.reported.min(revision.saturating_sub(1))
        } else {
            revision
        }
    }

    /// Whether this replica has reached the cache for long enough to use it again.
    fn is_stable(&self, known: &Known) -> bool {
        let enough = match known.state.mode {
            // Nobody has used it yet, so it need not prove itself.
            Mode::Off if known.state.revision > 0 => self.shared.timing.stable_after,
            Mode::Off | Mode::Warming | Mode::On => Duration::ZERO,
        };
        self.reachable_since
            .is_some_and(|since| since.elapsed() >= enough)
    }

    async fn probe(&mut self, state: &ModeState, database_time: ToldTime) -> Probe {
        let began = Instant::now();
        let asked = timeout(Self::PROBE_TIMEOUT, self.ask_cache(state, database_time)).await;
        let probe = match asked {
            Ok(Ok(probe)) => probe,
            Ok(Err(error)) => self.failed(&error),
            Err(_) => self.failed(&CacheError::Unreachable("no answer in time".to_owned())),
        };
        match probe {
            Probe::Failed | Probe::Unfit => {
                self.reachable_since = None;
                if probe == Probe::Unfit {
                    self.shared.breaker.trip();
                } else {
                    self.shared.breaker.failed(began);
                }
                return probe;
            }
            Probe::Good | Probe::EpochLost => {
                self.reachable_since.get_or_insert(began);
                self.shared.breaker.close();
            }
        }
        if state.mode != Mode::Off {
            let joined = (probe == Probe::Good).then_some(began);
            self.shared.view.join(state.epoch, joined);
        }
        if state.mode == Mode::Warming && probe == Probe::Good {
            // Whoever did not find the epoch came before it was opened.
            self.shared.lost_epoch.store(0, Ordering::SeqCst);
        }
        probe
    }

    /// Takes note of a call that failed.
    fn failed(&self, error: &CacheError) -> Probe {
        match error {
            CacheError::NoEpoch | CacheError::Restarted => Probe::EpochLost,
            CacheError::Unfit(why) => {
                self.shared.diagnosis.failed(error);
                self.found(Some(why.clone()));
                Probe::Unfit
            }
            CacheError::Unreachable(_) | CacheError::Failed(_) => {
                self.shared.diagnosis.failed(error);
                Probe::Failed
            }
        }
    }

    /// Takes note of whether the cache is fit.
    fn found(&self, unfit: Option<String>) {
        if self.shared.diagnosis.inspected(unfit.clone()) {
            match unfit {
                Some(why) => tracing::error!("the cache is not used: it {why}"),
                None => tracing::info!("the cache is fit to be used again"),
            }
        }
    }

    async fn ask_cache(
        &mut self,
        state: &ModeState,
        database_time: ToldTime,
    ) -> Result<Probe, CacheError> {
        let shared = Arc::clone(&self.shared);
        let cache = &*shared.cache;
        let run_id = cache.run_id().await?;
        if let Some(why) = self.inspect(&run_id, database_time).await? {
            return Err(CacheError::Unfit(why));
        }
        if state.mode == Mode::Off {
            return Ok(Probe::Good);
        }
        if run_id != state.run_id {
            return Ok(Probe::EpochLost);
        }
        let Ok(key) = Self::PROBE_KEY.parse::<Key>() else {
            return Ok(Probe::Failed);
        };
        cache.probe(state.epoch, &key).await?;
        Ok(Probe::Good)
    }

    /// Why the cache cannot be used, if it cannot.
    async fn inspect(
        &mut self,
        run_id: &str,
        database_time: ToldTime,
    ) -> Result<Option<String>, CacheError> {
        let shared = &*self.shared;
        let inspection = match self.inspection.take() {
            Some(last) if last.holds(run_id, &shared.timing) => last,
            _ => Inspection::make(&*shared.cache, run_id, database_time, &shared.timing).await?,
        };
        if let Some(offset) = inspection.clock_offset {
            shared.diagnosis.clock_read(offset);
        }
        let unfit = inspection.unfit.clone();
        self.inspection = Some(inspection);
        self.found(unfit.clone());
        Ok(unfit)
    }

    /// What the register should say next, if this replica is to change it.
    async fn next_state(&self, known: &Known, probe: Probe, all_ready: bool) -> Option<ModeState> {
        let state = &known.state;
        let seen_for = known.seen_at.elapsed();
        let timing = &self.shared.timing;
        match state.mode {
            Mode::On | Mode::Warming if self.shared.breaker.is_open() => {
                Some(next(state, Mode::Off))
            }
            Mode::On => {
                let lost = probe == Probe::EpochLost
                    || self.shared.lost_epoch.load(Ordering::SeqCst) == state.epoch;
                if lost {
                    self.new_epoch(state).await
                } else {
                    None
                }
            }
            Mode::Warming => {
                // Replicas that died are forgotten when what they began must be over.
                let waited =
                    (all_ready && seen_for > timing.lease) || !self.shared.rules.warming_waits;
                match probe {
                    Probe::Good if waited => Some(next(state, Mode::On)),
                    Probe::Good | Probe::Failed | Probe::Unfit => None,
                    // The replica that began the epoch may not have opened it yet.
                    Probe::EpochLost
                        if seen_for > timing.lease || self.failed_to_open == Some(state.epoch) =>
                    {
                        self.new_epoch(state).await
                    }
                    Probe::EpochLost => None,
                }
            }
            Mode::Off if probe == Probe::Good && all_ready && self.is_stable(known) => {
                self.new_epoch(state).await
            }
            Mode::Off => None,
        }
    }

    async fn new_epoch(&self, state: &ModeState) -> Option<ModeState> {
        let asked = timeout(Self::PROBE_TIMEOUT, self.shared.cache.run_id()).await;
        let run_id = asked.ok()?.ok()?;
        Some(ModeState {
            epoch: state.epoch + 1,
            run_id,
            ..next(state, Mode::Warming)
        })
    }

    /// Whether the mode is now another, and the cache ready for it.
    async fn change(&mut self, began: Instant, from: ModeState, to: ModeState) -> bool {
        let asked_at = Instant::now();
        if self.check_recent(began, asked_at).is_err() {
            return false;
        }
        let swapped = self
            .shared
            .register
            .compare_and_swap(from.revision, to.clone());
        match timeout(self.shared.timing.lease, swapped).await {
            Ok(Ok(true)) => {}
            // Another replica was first: what it changed is worth knowing at once.
            Ok(Ok(false)) => return true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the mode of the cache cannot be changed");
                return false;
            }
            Err(_) => return false,
        }
        self.learn(&to, asked_at);
        to.epoch == from.epoch || self.open(to.epoch).await
    }

    /// Opens an epoch that this replica began. It is tried once: an attempt that arrives late must not bring an epoch back
    /// that was lost since.
    async fn open(&mut self, epoch: u64) -> bool {
        self.more_to_sweep = true;
        let opened = timeout(Self::PROBE_TIMEOUT, self.shared.cache.open_epoch(epoch)).await;
        let is_open = matches!(opened, Ok(Ok(())));
        if !is_open {
            tracing::warn!(epoch, "the epoch of the cache cannot be opened");
            self.failed_to_open = Some(epoch);
        }
        is_open
    }

    /// Has the cache forget older epochs, a part of them each turn.
    async fn sweep(&mut self, known: &Known) {
        if self.more_to_sweep && known.state.mode == Mode::On {
            let swept = self.shared.cache.sweep(known.state.epoch);
            // If it fails it is tried again in the next turn.
            if let Ok(Ok(more)) = timeout(Self::PROBE_TIMEOUT, swept).await {
                self.more_to_sweep = more;
            }
        }
    }
}

fn next(state: &ModeState, mode: Mode) -> ModeState {
    ModeState {
        revision: state.revision + 1,
        mode,
        ..state.clone()
    }
}
