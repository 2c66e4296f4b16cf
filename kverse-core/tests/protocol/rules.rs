//! The rules of the protocol outside the cache, and which of them is broken on purpose.

use crate::scripts::has_epoch;
use crate::state::{Mode, Reader, Reading, Stage, State, Writer, Writing};

/// A rule that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A write commits although its fence has passed.
    Fence,
    /// A fill does not ask whether its lease is still there.
    Lease,
    /// The last to finish caches its version although a newer one was reported.
    Floor,
    /// Writes are not marked.
    Marker,
    /// The last to finish caches its version although a lapsed write may have committed a newer one.
    Taint,
    /// A hit is served if the lease on the mode was valid before the cache was asked.
    LeaseCheckAfterAnswer,
    /// A hit is served if the lease is valid after the answer, even if it is on a newer revision than the one whose epoch
    /// was looked in.
    RevisionCheckAfterAnswer,
    /// A replica that sees a new revision goes on with marked writes at once.
    WriteHoldAfterChange,
    /// A replica that sees `Off` goes on with unmarked writes at once.
    WaitBeforeUnmarked,
    /// A new connection is used whatever process it leads to.
    RunIdCheck,
    /// Scripts run in an epoch without its sentinel.
    SentinelCheck,
    /// The opener of an epoch sets the sentinel again, for example because it saw no answer.
    SentinelOnce,
    /// `On` follows `Warming` although old leases are valid and old writes in flight.
    WarmingWait,
    /// A write that began while warming caches its version when it finishes.
    WarmingStore,
    /// A renewal marks again where the marker has gone.
    RenewOnlyWhatIsThere,
    /// The fence is counted from the mark, not from the check of the lease before it.
    FenceFromCheck,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    broken: Option<Broken>,
}

impl Rules {
    pub(crate) const INTACT: Self = Self { broken: None };

    pub(crate) fn without(rule: Broken) -> Self {
        Self { broken: Some(rule) }
    }

    pub(crate) fn broke(self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    /// Whether a write may begin under the view of its replica: not while others may serve hits of an older revision.
    pub(crate) fn may_begin(self, state: &State, writer: &Writer) -> bool {
        let Some(view) = state.view(writer.replica) else {
            return false;
        };
        let hold = match view.mode {
            Mode::Off => !self.broke(Broken::WaitBeforeUnmarked),
            Mode::On | Mode::Warming => !self.broke(Broken::WriteHoldAfterChange),
        };
        !(hold && older_lease(state, view))
    }

    pub(crate) fn may_commit(self, writer: &Writer) -> bool {
        let announced = match writer.stage.mode {
            Mode::Off => writer.phase == Writing::Begun,
            Mode::On | Mode::Warming => writer.phase == Writing::Marked,
        };
        announced && (!writer.lapsed || self.broke(Broken::Fence))
    }

    /// Whether a write that has begun can lapse.
    pub(crate) fn may_lapse(self, writer: &Writer) -> bool {
        let counting = match writer.phase {
            Writing::Begun => writer.stage.mode == Mode::Off || !self.broke(Broken::FenceFromCheck),
            Writing::Marked | Writing::Overdue => true,
            Writing::Committed(_) => writer.in_marker,
            Writing::Idle | Writing::Done | Writing::DoneUnmarked => false,
        };
        counting && !writer.lapsed
    }

    /// Whether a renewal can be sent that changes something. One that comes before the marker is dead does not: nothing
    /// says when that is.
    pub(crate) fn may_renew(self, state: &State, writer: &Writer) -> bool {
        let unfinished = matches!(
            writer.phase,
            Writing::Marked | Writing::Overdue | Writing::Committed(_)
        );
        let changes = if writer.in_marker {
            writer.lapsed
        } else {
            self.broke(Broken::RenewOnlyWhatIsThere)
        };
        unfinished
            && changes
            && state.connected(writer.replica)
            && has_epoch(state, self, writer.stage.epoch)
    }

    pub(crate) fn may_start(self, state: &State, reader: &Reader) -> bool {
        reader.phase == Reading::Idle
            && reader.reads_left > 0
            && state
                .view(reader.replica)
                .is_some_and(|view| view.mode == Mode::On)
    }

    /// Whether what the cache answered is served.
    pub(crate) fn serves(self, state: &State, reader: &Reader) -> bool {
        match state.view(reader.replica) {
            _ if self.broke(Broken::LeaseCheckAfterAnswer) => true,
            Some(view) => {
                view == reader.stage
                    || (view.mode == Mode::On && self.broke(Broken::RevisionCheckAfterAnswer))
            }
            None => false,
        }
    }

    /// Whether `Warming` has lasted for a lease and the deadline of a marker.
    pub(crate) fn warm(self, state: &State) -> bool {
        let old_write = |writer: &Writer| {
            writer.stage < state.register && writer.may_commit_later() && self.may_lapse(writer)
        };
        self.broke(Broken::WarmingWait)
            || !(older_lease(state, state.register) || state.writers.iter().any(old_write))
    }

    pub(crate) fn may_connect(self, state: &State, replica: usize) -> bool {
        let replica = state.replicas[replica];
        !replica.connected
            && replica.view.is_some_and(|view| {
                state.cache.epochs[usize::from(view.epoch)].run == state.cache.run
                    || self.broke(Broken::RunIdCheck)
            })
    }
}

/// Whether some replica has a valid lease on an older revision, or the answer that gives it is under way.
fn older_lease(state: &State, stage: Stage) -> bool {
    let replicas = state.replicas.iter();
    let mut leases = replicas.flat_map(|replica| [replica.view, replica.answer]);
    leases.any(|lease| lease.is_some_and(|view| view < stage))
}
