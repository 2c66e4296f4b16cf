//! What the model remembers: small, `Copy`, and without anything that no rule looks at.

pub(crate) type Version = u8;

pub(crate) const EPOCHS: usize = 2;
pub(crate) const REPLICAS: usize = 2;
pub(crate) const WRITERS: usize = 3;
pub(crate) const READERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct State {
    /// The version of the row; every commit adds one.
    pub(crate) database: Version,
    pub(crate) register: Stage,
    pub(crate) cache: Cache,
    pub(crate) replicas: [Replica; REPLICAS],
    pub(crate) writers: [Writer; WRITERS],
    pub(crate) readers: [Reader; READERS],
}

/// What the mode register holds. It only grows in this order (an epoch warms, is on, is off, and the next one warms), so
/// that it is its own revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stage {
    pub(crate) epoch: u8,
    pub(crate) mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mode {
    Warming,
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Cache {
    /// The run id of the process.
    pub(crate) run: u8,
    pub(crate) flushes_left: u8,
    pub(crate) restarts_left: u8,
    pub(crate) epochs: [Epoch; EPOCHS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Epoch {
    /// The run id that the register names for this epoch.
    pub(crate) run: u8,
    /// Whether its opener has sent the sentinel.
    pub(crate) opened: bool,
    /// Whether the sentinel is there.
    pub(crate) sentinel: bool,
    pub(crate) entry: Entry,
}

/// The one key in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Entry {
    Unknown,
    /// A value or an absence: both have a version and may be evicted, so the model need not tell them apart.
    Value(Version),
    /// Its holder is the reader with `holds_lease`.
    Lease,
    /// Its attempts are the writers with `in_marker`.
    Marker {
        floor: Version,
        tainted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Replica {
    /// What it read in the register, while the lease on that is valid. Without a valid lease it does nothing with it.
    pub(crate) view: Option<Stage>,
    /// What the register held when a query was executed whose answer is still under way.
    pub(crate) answer: Option<Stage>,
    /// Whether it has a connection to the cache process.
    pub(crate) connected: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Writer {
    pub(crate) replica: u8,
    pub(crate) phase: Writing,
    /// What the replica's view was when the write began.
    pub(crate) stage: Stage,
    /// Its fence has passed, and its marker, if it is still there, is dead.
    pub(crate) lapsed: bool,
    /// Its attempt is in the marker of its epoch.
    pub(crate) in_marker: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Writing {
    Idle,
    Begun,
    Marked,
    /// Marked, and its fence has passed: it does not commit any more, but its marker may be renewed.
    Overdue,
    Committed(Version),
    Done,
    /// Committed without a marker, the cache being off.
    DoneUnmarked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Reader {
    pub(crate) replica: u8,
    pub(crate) reads_left: u8,
    pub(crate) phase: Reading,
    /// What the replica's view was when the read began.
    pub(crate) stage: Stage,
    /// The lease of the key in its epoch is this reader's.
    pub(crate) holds_lease: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reading {
    Idle,
    /// `floor`: what the database held when the read began.
    Started {
        floor: Version,
    },
    /// The cache answered with a value, `stale` if older than the floor; the lease on the mode is still to be checked.
    Answered {
        stale: bool,
    },
    Leased,
    Fetched(Version),
}

impl Stage {
    pub(crate) const FIRST: Self = Self {
        epoch: 0,
        mode: Mode::On,
    };
}

impl Epoch {
    pub(crate) const UNOPENED: Self = Self {
        run: 0,
        opened: false,
        sentinel: false,
        entry: Entry::Unknown,
    };
}

impl State {
    pub(crate) fn entry(&self, epoch: u8) -> Entry {
        self.cache.epochs[usize::from(epoch)].entry
    }

    /// Replaces the entry; the attempts of a marker and the holder of a lease go with it.
    pub(crate) fn set_entry(&mut self, epoch: u8, entry: Entry) {
        if !matches!(entry, Entry::Marker { .. }) {
            for writer in &mut self.writers {
                writer.in_marker &= writer.stage.epoch != epoch;
            }
        }
        for reader in &mut self.readers {
            reader.holds_lease &= reader.stage.epoch != epoch;
        }
        self.cache.epochs[usize::from(epoch)].entry = entry;
    }

    pub(crate) fn connected(&self, replica: u8) -> bool {
        self.replicas[usize::from(replica)].connected
    }

    pub(crate) fn view(&self, replica: u8) -> Option<Stage> {
        self.replicas[usize::from(replica)].view
    }
}

impl Writer {
    /// Has written; nobody looks at the rest any more.
    pub(crate) const DONE: Self = Self::new(0, Writing::Done);
    pub(crate) const DONE_UNMARKED: Self = Self::new(0, Writing::DoneUnmarked);

    pub(crate) const fn new(replica: u8, phase: Writing) -> Self {
        Self {
            replica,
            phase,
            stage: Stage::FIRST,
            lapsed: false,
            in_marker: false,
        }
    }

    /// It has begun, not committed, and its fence has not passed.
    pub(crate) fn may_commit_later(&self) -> bool {
        matches!(self.phase, Writing::Begun | Writing::Marked) && !self.lapsed
    }
}

impl Reader {
    /// Has read as often as it should.
    pub(crate) const DONE: Self = Self::new(0, 0);

    pub(crate) const fn new(replica: u8, reads_left: u8) -> Self {
        Self {
            replica,
            reads_left,
            phase: Reading::Idle,
            stage: Stage::FIRST,
            holds_lease: false,
        }
    }

    pub(crate) fn done(&mut self) {
        *self = match self.reads_left {
            0 => Self::DONE,
            reads_left => Self::new(self.replica, reads_left),
        };
    }
}
