//! Random operations for the model.

use std::time::Duration;

use proptest::bool;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use crate::{Key, Prefix, ScanOptions, Timestamp};

/// Few keys, so that operations meet, which begin with each other, so that prefixes do.
pub(super) const KEYS: [&str; 6] = ["a", "a/", "ab", "abc", "a\u{10ffff}", "b"];
const PREFIXES: [&str; 8] = ["", "a", "a/", "ab", "abc", "a\u{10ffff}", "b", "abcd"];

const DELIMITERS: [&str; 4] = ["/", "b", "bc", "\u{10ffff}"];

pub(super) fn key(index: usize) -> Key {
    KEYS[index].parse().unwrap()
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Write(Planned),
    Batch(Vec<Planned>),
    /// Sends one of the last writes again.
    Retry(usize),
    Transaction(Vec<Step>),
    Read(Vec<usize>),
    Scan(ScanOptions),
    Stats,
    Advance(Duration),
    Restart,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Get(usize, Condition),
    Write(Planned),
}

/// A write whose value and versions are filled in when it is done.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) key: usize,
    pub(super) change: Change,
    pub(super) condition: Condition,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Put {
        size: usize,
        typed: bool,
        expiry: Ends,
    },
    Touch(Ends),
    Delete,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    Never,
    After(Duration),
    At(Offset),
    Keep,
}

/// A time as seen from the present.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offset {
    Before(Duration),
    After(Duration),
}

impl Offset {
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Before(duration) => now.saturating_sub(duration),
            Self::After(duration) => now.saturating_add(duration),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    None,
    Exists,
    Absent,
    /// The version that the key had so many writes ago.
    Version(usize),
}

/// Any operation that the backend can do.
pub(super) fn an_operation(clocked: bool, durable: bool) -> impl Strategy<Value = Op> {
    let planned = || planned(clocked);
    let step = prop_oneof![
        2 => planned().prop_map(Step::Write),
        1 => (an_index(), condition()).prop_map(|(key, condition)| Step::Get(key, condition)),
    ];
    let mut operations = vec![
        (8, planned().prop_map(Op::Write).boxed()),
        (3, vec(planned(), 0..5).prop_map(Op::Batch).boxed()),
        (3, vec(step, 0..5).prop_map(Op::Transaction).boxed()),
        (3, (0..4_usize).prop_map(Op::Retry).boxed()),
        (5, vec(an_index(), 0..5).prop_map(Op::Read).boxed()),
        (5, scan().prop_map(Op::Scan).boxed()),
        (1, Just(Op::Stats).boxed()),
    ];
    if clocked {
        operations.push((4, duration().prop_map(Op::Advance).boxed()));
    }
    if durable {
        operations.push((1, Just(Op::Restart).boxed()));
    }
    Union::new_weighted(operations)
}

fn an_index() -> impl Strategy<Value = usize> {
    0..KEYS.len()
}

fn planned(clocked: bool) -> impl Strategy<Value = Planned> {
    let put =
        (0..4_usize, bool::ANY, ends(clocked)).prop_map(|(size, typed, expiry)| Change::Put {
            size,
            typed,
            expiry,
        });
    let touch = ends(clocked).prop_map(Change::Touch);
    let change = prop_oneof![6 => put, 1 => touch, 2 => Just(Change::Delete)];
    (an_index(), change, condition()).prop_map(|(key, change, condition)| Planned {
        key,
        change,
        condition,
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => Just(Condition::None),
        1 => Just(Condition::Exists),
        1 => Just(Condition::Absent),
        2 => (0..3_usize).prop_map(Condition::Version),
    ]
}

/// The present falls on some of the ends that were given, and just beside them.
fn duration() -> impl Strategy<Value = Duration> {
    select(vec![1, 2, 1_000_000, 1_000_001, 61_000_000]).prop_map(Duration::from_micros)
}

fn ends(clocked: bool) -> impl Strategy<Value = Ends> {
    let hour = Duration::from_secs(3600);
    // Without a clock that stands still only what is far away from the present is certain.
    let duration = if clocked {
        duration().boxed()
    } else {
        Just(hour).boxed()
    };
    let offset = prop_oneof![
        duration.clone().prop_map(Offset::Before),
        duration.clone().prop_map(Offset::After),
    ];
    prop_oneof![
        3 => Just(Ends::Never),
        2 => duration.prop_map(Ends::After),
        1 => offset.prop_map(Ends::At),
        2 => Just(Ends::Keep),
    ]
}

fn scan() -> impl Strategy<Value = ScanOptions> {
    let start_after = prop::option::of(an_index().prop_map(key));
    let prefix = select(PREFIXES.to_vec());
    let delimiter = prop::option::of(select(DELIMITERS.to_vec()));
    let delimiter = delimiter.prop_map(|text| text.map(|text| text.parse().unwrap()));
    let from = (prefix, delimiter, start_after);
    (from, 1..8_usize, 1..12_usize, bool::ANY).prop_map(
        |((prefix, delimiter, start_after), limit, max_bytes, values)| {
            ScanOptions::new(Prefix::new(prefix).unwrap())
                .with_delimiter(delimiter)
                .with_start_after(start_after)
                .with_limit(limit)
                .with_max_bytes(max_bytes)
                .with_values(values)
        },
    )
}
