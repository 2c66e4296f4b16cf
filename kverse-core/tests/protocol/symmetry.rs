//! Of states that no step and no property can tell apart, one is searched.

use crate::protocol::Protocol;
use crate::rules::Broken;
use crate::state::{Entry, Epoch, Reader, Reading, Stage, State, Writer, Writing};

/// Forgets what nothing looks at any more; then, of the states that differ only in which writer of a replica, which
/// reader of a replica and, where they have the same tasks, which replica is which, the least.
pub(crate) fn canonical(mut state: State, protocol: &Protocol) -> State {
    forget(&mut state, protocol);
    sort(&mut state);
    if !protocol.replicas_alike() {
        return state;
    }
    let mut swapped = state;
    swapped.replicas.swap(0, 1);
    for writer in swapped
        .writers
        .iter_mut()
        .filter(|writer| **writer != Writer::DONE && **writer != Writer::DONE_UNMARKED)
    {
        writer.replica = 1 - writer.replica;
    }
    for reader in swapped
        .readers
        .iter_mut()
        .filter(|reader| **reader != Reader::DONE)
    {
        reader.replica = 1 - reader.replica;
    }
    sort(&mut swapped);
    state.min(swapped)
}

fn sort(state: &mut State) {
    state.writers.sort_unstable();
    state.readers.sort_unstable();
}

fn forget(state: &mut State, protocol: &Protocol) {
    for epoch in 0..state.register.epoch {
        if unreachable(state, epoch) {
            state.cache.epochs[usize::from(epoch)] = Epoch::UNOPENED;
            state.set_entry(epoch, Entry::Unknown);
            let of_epoch = |writer: &&mut Writer| writer.stage.epoch == epoch;
            for writer in state.writers.iter_mut().filter(of_epoch) {
                if matches!(writer.phase, Writing::Committed(_)) {
                    *writer = Writer::DONE;
                }
            }
        }
    }
    for writer in &mut state.writers {
        match writer.phase {
            // Only `finish` is left, which does not ask whether the fence has passed.
            Writing::Committed(_) if !writer.in_marker => writer.lapsed = false,
            // Nothing is left.
            Writing::Overdue if !writer.in_marker => *writer = Writer::DONE,
            Writing::Begun | Writing::Marked
                if writer.lapsed && !protocol.rules.broke(Broken::Fence) =>
            {
                if !writer.in_marker {
                    *writer = Writer::DONE;
                } else if !protocol.hanging_commits {
                    writer.phase = Writing::Overdue;
                }
            }
            _ => {}
        }
    }
}

/// Whether no read looks into an old epoch any more, now or later, and no write is about to be marked in it.
fn unreachable(state: &State, epoch: u8) -> bool {
    let sees = |view: Option<Stage>| view.is_some_and(|view| view.epoch == epoch);
    let mut replicas = state.replicas.iter();
    let mut readers = state.readers.iter();
    let mut writers = state.writers.iter();
    !replicas.any(|replica| sees(replica.view) || sees(replica.answer))
        && !readers.any(|reader| reader.phase != Reading::Idle && reader.stage.epoch == epoch)
        && !writers.any(|writer| writer.phase == Writing::Begun && writer.stage.epoch == epoch)
}
