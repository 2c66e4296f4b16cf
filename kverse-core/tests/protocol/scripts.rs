//! The scripts of the cache, each one atomic step on the key in one epoch.

use crate::rules::{Broken, Rules};
use crate::state::{Entry, Mode, Reading, State, Version, Writer};

/// Plain GET, then the lookup script if that found nothing.
pub(crate) fn lookup(state: &mut State, rules: Rules, reader: usize) {
    let Reading::Started { floor } = state.readers[reader].phase else {
        return;
    };
    let epoch = state.readers[reader].stage.epoch;
    if let Entry::Value(version) = state.entry(epoch) {
        state.readers[reader].phase = Reading::Answered {
            stale: version < floor,
        };
        return;
    }
    let leasable = match state.entry(epoch) {
        Entry::Unknown => true,
        Entry::Marker { .. } => !live_attempts(state, epoch),
        Entry::Lease | Entry::Value(_) => false,
    };
    if leasable && has_epoch(state, rules, epoch) {
        state.set_entry(epoch, Entry::Lease);
        state.readers[reader].holds_lease = true;
        state.readers[reader].phase = Reading::Leased;
    } else {
        // It reads the database and fills nothing in.
        state.readers[reader].done();
    }
}

pub(crate) fn fill(state: &mut State, rules: Rules, reader: usize, version: Version) {
    let fill = state.readers[reader];
    let leased = fill.holds_lease || rules.broke(Broken::Lease);
    if leased && has_epoch(state, rules, fill.stage.epoch) {
        state.set_entry(fill.stage.epoch, Entry::Value(version));
    }
}

pub(crate) fn mark(state: &mut State, rules: Rules, writer: usize) {
    let epoch = state.writers[writer].stage.epoch;
    if rules.broke(Broken::Marker) {
        return;
    }
    let (floor, tainted) = match state.entry(epoch) {
        Entry::Value(version) => (version, false),
        Entry::Unknown | Entry::Lease => (0, false),
        Entry::Marker { floor, tainted } => {
            let dropped = drop_dead(state, epoch, None);
            if attempts(state, epoch) {
                (floor, tainted || dropped)
            } else {
                // Writes that are over by their fence are older than this one will be.
                (0, false)
            }
        }
    };
    state.set_entry(epoch, Entry::Marker { floor, tainted });
    state.writers[writer].in_marker = true;
}

/// A marker that is still there stands again.
pub(crate) fn renew(state: &mut State, rules: Rules, writer: usize) {
    if !state.writers[writer].in_marker {
        // Only where a rule is broken.
        mark(state, rules, writer);
    }
    state.writers[writer].lapsed = false;
}

/// `version`: what was committed; none if the write was certainly not done.
pub(crate) fn finish(state: &mut State, rules: Rules, writer: usize, version: Option<Version>) {
    let epoch = state.writers[writer].stage.epoch;
    if !has_epoch(state, rules, epoch) {
        return;
    }
    let entry = state.entry(epoch);
    if !state.writers[writer].in_marker {
        let older = match entry {
            Entry::Value(cached) => Some(cached) < version,
            Entry::Lease => version.is_some(),
            Entry::Unknown | Entry::Marker { .. } => false,
        };
        if older {
            state.set_entry(epoch, Entry::Unknown);
        }
        return;
    }
    let Entry::Marker { floor, tainted } = entry else {
        return;
    };
    let tainted = drop_dead(state, epoch, Some(writer)) || tainted;
    state.writers[writer].in_marker = false;
    let floor = floor.max(version.unwrap_or(0));
    let entry = if attempts(state, epoch) {
        Entry::Marker { floor, tainted }
    } else {
        let newest = version == Some(floor) || rules.broke(Broken::Floor);
        let sure = !tainted || rules.broke(Broken::Taint);
        // While warming, writes of older views, which the marker does not show, may commit after this one.
        let alone =
            state.writers[writer].stage.mode == Mode::On || rules.broke(Broken::WarmingStore);
        match version {
            Some(version) if newest && sure && alone => Entry::Value(version),
            _ => Entry::Unknown,
        }
    };
    state.set_entry(epoch, entry);
}

/// Whether the sentinel lets scripts run.
pub(crate) fn has_epoch(state: &State, rules: Rules, epoch: u8) -> bool {
    state.cache.epochs[usize::from(epoch)].sentinel || rules.broke(Broken::SentinelCheck)
}

fn attempts(state: &State, epoch: u8) -> bool {
    let in_marker = |writer: &Writer| writer.in_marker && writer.stage.epoch == epoch;
    state.writers.iter().any(in_marker)
}

fn live_attempts(state: &State, epoch: u8) -> bool {
    let mut writers = state.writers.iter();
    writers.any(|writer| writer.in_marker && writer.stage.epoch == epoch && !writer.lapsed)
}

/// Drops dead attempts but that of `but`; whether there were any.
fn drop_dead(state: &mut State, epoch: u8, but: Option<usize>) -> bool {
    let mut dropped = false;
    for (index, writer) in state.writers.iter_mut().enumerate() {
        if writer.in_marker && writer.lapsed && writer.stage.epoch == epoch && Some(index) != but {
            writer.in_marker = false;
            dropped = true;
        }
    }
    dropped
}
