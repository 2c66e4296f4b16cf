//! What each step does.

use crate::actions::Action;
use crate::protocol::Protocol;
use crate::scripts;
use crate::state::{Entry, Mode, Reading, State, Version, Writer, Writing};

impl Protocol {
    pub(crate) fn apply(&self, state: &mut State, action: Action) {
        match action {
            Action::Begin(i)
            | Action::Mark(i)
            | Action::Commit(i)
            | Action::FinishCommitted(i)
            | Action::FinishAborted(i)
            | Action::Lapse(i)
            | Action::Renew(i) => self.write(state, action, i),
            Action::Start(i)
            | Action::Lookup(i)
            | Action::Answer(i)
            | Action::Fetch(i)
            | Action::Fill(i) => self.read(state, i),
            Action::Evict(epoch) => state.set_entry(epoch, Entry::Unknown),
            Action::Flush => {
                state.cache.flushes_left -= 1;
                empty(state);
            }
            Action::Restart(snapshot) => restart(state, snapshot),
            Action::Ask(i) => state.replicas[i].answer = Some(state.register),
            Action::LoseAnswer(i) => state.replicas[i].answer = None,
            Action::Receive(i) => state.replicas[i].view = state.replicas[i].answer.take(),
            Action::Refresh(i) => state.replicas[i].view = Some(state.register),
            Action::Expire(i) => state.replicas[i].view = None,
            Action::Disconnect(i) => state.replicas[i].connected = false,
            Action::Connect(i) => state.replicas[i].connected = true,
            Action::ToWarming => {
                state.register.epoch += 1;
                state.register.mode = Mode::Warming;
                state.cache.epochs[usize::from(state.register.epoch)].run = state.cache.run;
            }
            Action::OpenEpoch => {
                let epoch = &mut state.cache.epochs[usize::from(state.register.epoch)];
                epoch.opened = true;
                epoch.sentinel = true;
            }
            Action::ToOn => state.register.mode = Mode::On,
            Action::ToOff => state.register.mode = Mode::Off,
        }
    }

    fn write(&self, state: &mut State, action: Action, i: usize) {
        match (action, state.writers[i].phase) {
            (Action::Begin(_), _) => {
                if let Some(view) = state.view(state.writers[i].replica) {
                    state.writers[i].stage = view;
                    state.writers[i].phase = Writing::Begun;
                }
            }
            (Action::Mark(_), _) => {
                scripts::mark(state, self.rules, i);
                state.writers[i].phase = Writing::Marked;
            }
            (Action::Commit(_), _) => {
                state.database += 1;
                if state.writers[i].stage.mode == Mode::Off {
                    state.writers[i] = Writer::DONE_UNMARKED;
                } else {
                    state.writers[i].phase = Writing::Committed(state.database);
                }
            }
            (Action::FinishCommitted(_), Writing::Committed(version)) => {
                scripts::finish(state, self.rules, i, Some(version));
                state.writers[i] = Writer::DONE;
            }
            (Action::FinishAborted(_), _) => {
                scripts::finish(state, self.rules, i, None);
                state.writers[i] = Writer::DONE;
            }
            (Action::Lapse(_), _) => state.writers[i].lapsed = true,
            (Action::Renew(_), phase) => {
                scripts::renew(state, self.rules, i);
                if phase == Writing::Marked && !self.hanging_commits {
                    state.writers[i].phase = Writing::Overdue;
                }
            }
            _ => {}
        }
    }

    fn read(&self, state: &mut State, i: usize) {
        let reader = state.readers[i];
        let connected = state.connected(reader.replica);
        match reader.phase {
            Reading::Idle => {
                if let Some(view) = state.view(reader.replica) {
                    let floor = state.database;
                    state.readers[i].reads_left -= 1;
                    state.readers[i].stage = view;
                    state.readers[i].phase = Reading::Started { floor };
                }
            }
            Reading::Started { .. } if connected => scripts::lookup(state, self.rules, i),
            Reading::Leased => state.readers[i].phase = Reading::Fetched(state.database),
            Reading::Fetched(version) => {
                if connected {
                    scripts::fill(state, self.rules, i, version);
                }
                // A lease that was not filled in is left to end by its TTL.
                if state.readers[i].holds_lease {
                    state.set_entry(reader.stage.epoch, Entry::Unknown);
                }
                state.readers[i].done();
            }
            Reading::Started { .. } | Reading::Answered { .. } => state.readers[i].done(),
        }
    }
}

fn empty(state: &mut State) {
    for epoch in &mut state.cache.epochs {
        epoch.sentinel = false;
        epoch.entry = Entry::Unknown;
    }
    for writer in &mut state.writers {
        writer.in_marker = false;
    }
    for reader in &mut state.readers {
        reader.holds_lease = false;
    }
}

fn restart(state: &mut State, snapshot: Option<Version>) {
    empty(state);
    state.cache.run += 1;
    state.cache.restarts_left -= 1;
    for replica in &mut state.replicas {
        replica.connected = false;
    }
    if let Some(version) = snapshot {
        for epoch in &mut state.cache.epochs {
            if epoch.opened {
                epoch.sentinel = true;
                epoch.entry = Entry::Value(version);
            }
        }
    }
}
