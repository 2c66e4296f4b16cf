//! The coherence protocol of a cache that replicas share, searched exhaustively: no hit is older than a commit that
//! preceded the read, and every rule of the protocol is needed.
//!
//! # What is modelled
//! One key. Writers that write once and readers, each on one of two replicas; the row in the database; the cache with
//! the key in two epochs, each unknown, a value, leased or marked; the mode register, and what each replica read in it.
//! The scripts of the cache are in `scripts.rs`, the rules outside it in `rules.rs`; `actions.rs` says when a step is
//! possible, `steps.rs` what it does. Each step is atomic, as a script, a statement or a local decision is.
//!
//! * A crash, and an outcome that stays unknown, is a writer, reader or replica that takes no further step: no step is
//!   ever forced, so each search contains all of them. A replica that restarts is one that reads the register again.
//! * A write counts as acknowledged when it commits, before its marker is finished: the earliest time at which it may be.
//!   What the search proves is therefore no weaker than the promise; and what it finds with a broken rule is a true
//!   violation, since the writer could have acknowledged at once.
//! * An absence is a value here: it has a version, is cached, evicted and compared in the same way.
//! * A restart of the cache process brings back, in all epochs that were opened, any version there ever was, or nothing,
//!   whatever the cache really held before: more than a snapshot can do.
//! * The register may be changed at any time by anybody, with or without a reason for it, as long as the rules on waiting
//!   are kept. A replica may lose its connection at any time; a cut link is one that does not come back.
//!
//! # Time
//! There are no clocks. What ends at a deadline (a lease, the fence of a write together with its marker, a TTL) may end
//! at any moment, early or late, as nothing says how long the other steps take. What a deadline guarantees appears only
//! where a rule waits for it: the waiting step is possible once everything that has certainly ended by then has ended.
//!
//! * A lease counts from when the query was sent. So one lease after a change of the register no replica has a valid
//!   lease on an older revision: that is when held writes go on.
//! * A write begins under a valid lease, and its fence counts from then. So one lease and one marker deadline after a
//!   change no write of an older revision can commit: that, with the above, is when `On` may follow `Warming`.
//! * The fence passes before the marker dies. Between the two the write can do nothing, so they are one step (`Lapse`).
//! * A writer whose outcome is not known yet renews its marker. While that stands, this changes nothing here, as nothing
//!   says when it dies. A dead one that nobody has dropped stands again; one that was dropped stays away. The fence is not
//!   renewed; but in the search of one epoch a write may commit for as long as its marker is renewed in time, as a commit
//!   that hangs.
//!
//! The conditions hold no later than the real waits end, so every run of the real protocol is a run of the model.
//!
//! # What was searched
//! | search | writers | readers × reads | epochs | flushes | restarts | states |
//! |---|---|---|---|---|---|---|
//! | one epoch, always on | 3 | 2 × 2 | 1 | 0 | 0 | 0.07 million |
//! | two readers | 2 | 2 × 1 | 2 | 0 | 0 | 6.7 million |
//! | slow answers of the register | 2 | 1 × 1 | 2 | 0 | 0 | 5.8 million |
//! | flush and restart | 2 | 1 × 1 | 2 | 1 | 1 | 5.8 million |
//! | the last two at once; ignored | 2 | 1 × 1 | 2 | 1 | 1 | 29.4 million |
//!
//! Evictions, lapses, renewals, crashes and lost connections are not limited. With two epochs there are two replicas, a
//! writer on each. The searches print their states; those that are not ignored take about a minute of CPU together.
//!
//! # What is not
//! A commit that hangs beyond its deadline and then succeeds, after its marker was dropped or while the epoch changes;
//! clocks that run at different rates; two cache processes that are alive at once; more than one key, one change of
//! epoch, and the numbers of writers, readers and faults stated at each search below. `symmetry.rs` merges states that no
//! step can tell apart.

mod actions;
mod properties;
mod protocol;
mod rules;
mod scripts;
mod state;
mod steps;
mod symmetry;

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use properties::NO_STALE_HIT;
use protocol::Protocol;
use rules::{Broken, Rules};

/// Three writers and two readers with two reads each in one epoch that stays on.
const ONE_EPOCH: Protocol = Protocol {
    writers: &[0, 0, 0],
    readers: &[0, 0],
    reads: 2,
    register: false,
    slow_answers: false,
    hanging_commits: true,
    flushes: 0,
    restarts: 0,
    rules: Rules::INTACT,
};

/// A writer on each of two replicas and a reader on one, while the register goes through two epochs.
const TWO_EPOCHS: Protocol = Protocol {
    writers: &[0, 1],
    readers: &[1],
    reads: 1,
    register: true,
    hanging_commits: false,
    ..ONE_EPOCH
};

/// As `TWO_EPOCHS`; the cache is emptied once, and its process restarts once.
const FAULTS: Protocol = Protocol {
    flushes: 1,
    restarts: 1,
    ..TWO_EPOCHS
};

/// Searches everything within the bounds: nothing that must never happen does, and all that must sometimes happen does.
fn assert_holds(protocol: Protocol) {
    let started = Instant::now();
    let checker = protocol.checker().threads(2).spawn_dfs().join();
    println!(
        "{} states ({} with repetitions) in {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        started.elapsed().as_secs_f64()
    );
    checker.assert_properties();
}

/// Searches breadth-first until there is a stale hit.
fn assert_needed(broken: Broken, protocol: Protocol) {
    let protocol = Protocol {
        rules: Rules::without(broken),
        ..protocol
    };
    let started = Instant::now();
    let stale = HasDiscoveries::AnyOf(BTreeSet::from([NO_STALE_HIT]));
    let checker = protocol.checker().threads(2).finish_when(stale).spawn_bfs();
    let checker = checker.join();
    let path = checker.discovery(NO_STALE_HIT);
    let path = path.unwrap_or_else(|| panic!("no stale hit without {broken:?}"));
    let steps = path.into_actions();
    println!(
        "{} states in {:.1} s, {} steps: {steps:?}",
        checker.unique_state_count(),
        started.elapsed().as_secs_f64(),
        steps.len()
    );
}

#[test]
fn holds_in_one_epoch() {
    assert_holds(ONE_EPOCH);
}

#[test]
fn holds_while_the_register_answers_slowly() {
    assert_holds(Protocol {
        slow_answers: true,
        ..TWO_EPOCHS
    });
}

#[test]
fn holds_with_two_readers() {
    assert_holds(Protocol {
        readers: &[0, 1],
        ..TWO_EPOCHS
    });
}

#[test]
fn holds_through_a_flush_and_a_restart() {
    assert_holds(FAULTS);
}

#[test]
#[ignore = "takes minutes: 29 million states"]
fn holds_through_a_flush_and_a_restart_while_the_register_answers_slowly() {
    assert_holds(Protocol {
        slow_answers: true,
        ..FAULTS
    });
}

/// A test for each rule: without it there is a stale hit in that configuration.
macro_rules! needed {
    ($($name:ident: $broken:ident in $protocol:expr;)*) => {
        $(#[test]
        fn $name() {
            assert_needed(Broken::$broken, $protocol);
        })*
    };
}

needed! {
    needs_the_fence: Fence in ONE_EPOCH;
    needs_the_lease_of_a_fill: Lease in ONE_EPOCH;
    needs_the_floor: Floor in ONE_EPOCH;
    needs_the_marker: Marker in ONE_EPOCH;
    needs_the_taint: Taint in ONE_EPOCH;
    needs_renewal_to_leave_alone_what_has_gone: RenewOnlyWhatIsThere in ONE_EPOCH;
    needs_the_lease_check_after_the_answer: LeaseCheckAfterAnswer in FAULTS;
    needs_the_revision_check_after_the_answer: RevisionCheckAfterAnswer in FAULTS;
    needs_the_hold_of_writes_after_a_change: WriteHoldAfterChange in TWO_EPOCHS;
    needs_the_wait_before_unmarked_writes: WaitBeforeUnmarked in TWO_EPOCHS;
    needs_the_run_id_check: RunIdCheck in FAULTS;
    needs_the_sentinel_check: SentinelCheck in FAULTS;
    needs_the_sentinel_to_be_set_once: SentinelOnce in FAULTS;
    needs_the_wait_of_warming: WarmingWait in TWO_EPOCHS;
    needs_writes_of_warming_not_to_be_cached: WarmingStore in TWO_EPOCHS;
    needs_the_fence_to_count_from_the_lease_check: FenceFromCheck in TWO_EPOCHS;
}
