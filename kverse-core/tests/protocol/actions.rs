//! The steps, and when each can be taken.

use crate::protocol::Protocol;
use crate::rules::Broken;
use crate::scripts::has_epoch;
use crate::state::{EPOCHS, Entry, Mode, Reading, State, Version, Writing};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A write checks the lease of its replica and takes over its view.
    Begin(usize),
    Mark(usize),
    Commit(usize),
    FinishCommitted(usize),
    FinishAborted(usize),
    /// The fence of a write passes and its marker dies.
    Lapse(usize),
    /// A write whose outcome is not known yet has its marker stand longer.
    Renew(usize),
    /// A read takes over the view of its replica.
    Start(usize),
    Lookup(usize),
    /// The answer is served, or dropped in favour of the database.
    Answer(usize),
    Fetch(usize),
    Fill(usize),
    /// Eviction, or the end of a TTL.
    Evict(u8),
    Flush,
    /// The cache process restarts: empty, or from a snapshot that holds this version in every epoch.
    Restart(Option<Version>),
    /// The register executes the query of a replica.
    Ask(usize),
    /// The answer arrives, within a lease of its query.
    Receive(usize),
    /// The answer is lost or too late to give a lease.
    LoseAnswer(usize),
    /// `Ask` and `Receive` in one.
    Refresh(usize),
    /// The lease of a replica ends.
    Expire(usize),
    Disconnect(usize),
    Connect(usize),
    ToWarming,
    OpenEpoch,
    ToOn,
    ToOff,
}

impl Protocol {
    pub(crate) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        self.writer_steps(state, actions);
        self.reader_steps(state, actions);
        for (epoch, content) in (0..).zip(&state.cache.epochs) {
            if matches!(content.entry, Entry::Value(_) | Entry::Lease) {
                actions.push(Action::Evict(epoch));
            }
        }
        if self.register {
            self.cache_steps(state, actions);
            self.register_steps(state, actions);
        }
    }

    fn writer_steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (i, writer) in state.writers.iter().enumerate() {
            // They are sorted: an equal one has the same steps.
            if i > 0 && state.writers[i - 1] == *writer {
                continue;
            }
            let connected = state.connected(writer.replica);
            match writer.phase {
                Writing::Idle if self.rules.may_begin(state, writer) => {
                    actions.push(Action::Begin(i));
                }
                Writing::Begun
                    if writer.stage.mode != Mode::Off
                        && connected
                        && !writer.lapsed
                        && has_epoch(state, self.rules, writer.stage.epoch) =>
                {
                    actions.push(Action::Mark(i));
                }
                Writing::Marked | Writing::Overdue if connected => {
                    actions.push(Action::FinishAborted(i));
                }
                Writing::Committed(_) if connected => actions.push(Action::FinishCommitted(i)),
                _ => {}
            }
            if self.rules.may_commit(writer) {
                actions.push(Action::Commit(i));
            }
            if self.rules.may_lapse(writer) {
                actions.push(Action::Lapse(i));
            }
            if self.rules.may_renew(state, writer) {
                actions.push(Action::Renew(i));
            }
        }
    }

    fn reader_steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (i, reader) in state.readers.iter().enumerate() {
            if i > 0 && state.readers[i - 1] == *reader {
                continue;
            }
            match reader.phase {
                Reading::Idle if self.rules.may_start(state, reader) => {
                    actions.push(Action::Start(i));
                }
                Reading::Idle => {}
                Reading::Started { .. } => actions.push(Action::Lookup(i)),
                Reading::Answered { .. } => actions.push(Action::Answer(i)),
                Reading::Leased => actions.push(Action::Fetch(i)),
                Reading::Fetched(_) => actions.push(Action::Fill(i)),
            }
        }
    }

    fn cache_steps(&self, state: &State, actions: &mut Vec<Action>) {
        if state.cache.flushes_left > 0 {
            actions.push(Action::Flush);
        }
        if state.cache.restarts_left > 0 {
            actions.push(Action::Restart(None));
            actions.extend((0..=state.database).map(|version| Action::Restart(Some(version))));
        }
    }

    fn register_steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (i, replica) in state.replicas.iter().enumerate() {
            match replica.answer {
                _ if !self.slow_answers && replica.view != Some(state.register) => {
                    actions.push(Action::Refresh(i));
                }
                None if self.slow_answers && replica.view != Some(state.register) => {
                    actions.push(Action::Ask(i));
                }
                None => {}
                Some(_) => actions.extend([Action::Receive(i), Action::LoseAnswer(i)]),
            }
            if replica.view.is_some() {
                actions.push(Action::Expire(i));
            }
            if replica.connected {
                actions.push(Action::Disconnect(i));
            }
            if self.rules.may_connect(state, i) {
                actions.push(Action::Connect(i));
            }
        }
        let epoch = usize::from(state.register.epoch);
        if epoch + 1 < EPOCHS {
            actions.push(Action::ToWarming);
        }
        let opened = state.cache.epochs[epoch];
        if opened.run == state.cache.run
            && !opened.sentinel
            && (!opened.opened || self.rules.broke(Broken::SentinelOnce))
        {
            actions.push(Action::OpenEpoch);
        }
        match state.register.mode {
            Mode::Warming if self.rules.warm(state) => {
                actions.push(Action::ToOn);
                actions.push(Action::ToOff);
            }
            Mode::Warming | Mode::On => actions.push(Action::ToOff),
            Mode::Off => {}
        }
    }
}
