//! The model as `stateright` searches it.

use stateright::{Model, Property};

use crate::actions::Action;
use crate::properties;
use crate::rules::Rules;
use crate::state::{
    Cache, EPOCHS, Epoch, READERS, REPLICAS, Reader, Replica, Stage, State, WRITERS, Writer,
    Writing,
};
use crate::symmetry;

/// The bounds of one search, and the rule that is broken in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    /// For each writer, which writes once, its replica.
    pub(crate) writers: &'static [u8],
    /// For each reader its replica.
    pub(crate) readers: &'static [u8],
    /// How often each reader reads.
    pub(crate) reads: u8,
    /// Whether the register, leases, connections and the cache process change.
    pub(crate) register: bool,
    /// Whether the answer of the register takes time.
    pub(crate) slow_answers: bool,
    /// Whether a commit may come after its fence, as long as its marker is renewed in time.
    pub(crate) hanging_commits: bool,
    pub(crate) flushes: u8,
    pub(crate) restarts: u8,
    pub(crate) rules: Rules,
}

impl Protocol {
    /// Whether the replicas have the same tasks.
    pub(crate) fn replicas_alike(&self) -> bool {
        let alike = |tasks: &[u8]| {
            let of_first = tasks.iter().filter(|replica| **replica == 0).count();
            of_first * 2 == tasks.len()
        };
        alike(self.writers) && alike(self.readers)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut writers = [Writer::DONE; WRITERS];
        for (writer, replica) in writers.iter_mut().zip(self.writers) {
            *writer = Writer::new(*replica, Writing::Idle);
        }
        let mut readers = [Reader::DONE; READERS];
        for (reader, replica) in readers.iter_mut().zip(self.readers) {
            *reader = Reader::new(*replica, self.reads);
        }
        let mut epochs = [Epoch::UNOPENED; EPOCHS];
        epochs[0].opened = true;
        epochs[0].sentinel = true;
        let replica = Replica {
            view: Some(Stage::FIRST),
            answer: None,
            connected: true,
        };
        let state = State {
            database: 0,
            register: Stage::FIRST,
            cache: Cache {
                run: 0,
                flushes_left: self.flushes,
                restarts_left: self.restarts,
                epochs,
            },
            replicas: [replica; REPLICAS],
            writers,
            readers,
        };
        vec![symmetry::canonical(state, self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        self.apply(&mut next, action);
        Some(symmetry::canonical(next, self))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::properties(self)
    }
}
