//! Recorded histories of clients, and whether they are linearizable.
//!
//! Clients record when each operation began and when it was answered ([`History`]); [`History::violations`] says where
//! what they saw cannot be explained by operations that took effect one after another, each at some time between its
//! beginning and its answer (linearizability: Herlihy and Wing, 1990). Versions make that easy to decide: the writes of a
//! key took effect in the order of their versions, so one pass in the order of time is enough, and what a write replaced
//! is what has the version before its own.
//!
//! A write that was not answered may or may not have taken effect, at any time after it began. Values must be unique, so
//! that a read tells which write it saw.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::{Key, Precondition, Version};

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stored this value, which no other put stores, if the key met the precondition.
    Put(String, Precondition),
    /// Removed the key.
    Delete,
    /// Read the key.
    Get,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A write was done; the key then had this version.
    Written(Version),
    /// A write was certainly not done.
    NotWritten,
    /// A read found this value and version.
    Found(String, Version),
    /// A read found nothing.
    Absent,
    /// Nothing, or that the outcome is unknown.
    Unknown,
}

/// An operation with the times, in nanoseconds since the history began, between which it took effect.
#[derive(Clone, Debug)]
struct Record {
    key: Key,
    action: Action,
    answer: Answer,
    began: u128,
    ended: u128,
}

/// What several clients did and saw, recorded by all of them at once.
#[derive(Debug)]
pub struct History {
    started: Instant,
    records: Mutex<Vec<Record>>,
}

/// Something that no order of the operations explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key.
    pub key: Key,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            records: Mutex::default(),
        }
    }
}

impl History {
    /// The present, to be taken before an operation is sent.
    pub fn now(&self) -> u128 {
        self.started.elapsed().as_nanos()
    }

    /// Records an operation that began at `began` and is answered now.
    pub fn record(&self, key: &Key, action: Action, began: u128, answer: Answer) {
        self.record_at(key, action, began, answer, self.now());
    }

    fn record_at(&self, key: &Key, action: Action, began: u128, answer: Answer, ended: u128) {
        let record = Record {
            key: key.clone(),
            action,
            answer,
            began,
            ended,
        };
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record);
    }

    /// How many operations were recorded.
    pub fn len(&self) -> usize {
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What cannot be explained. Keys are expected not to exist when the history begins, and not to expire.
    pub fn violations(&self) -> Vec<Violation> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: BTreeMap<&Key, Vec<&Record>> = BTreeMap::new();
        for record in records.iter() {
            keys.entry(&record.key).or_default().push(record);
        }
        let violations = |(key, records): (&Key, Vec<&Record>)| {
            let reasons = KeyHistory::new(&records).check(records);
            let key = key.clone();
            reasons.into_iter().map(move |reason| Violation {
                key: key.clone(),
                reason,
            })
        };
        keys.into_iter().flat_map(violations).collect()
    }
}

/// What is known of the writes of one key.
struct KeyHistory<'a> {
    /// The put of each value.
    puts: HashMap<&'a str, &'a Record>,
    /// The deletes by their versions, with when they began; version 0 is the key before the first write.
    deletes: BTreeMap<Version, u128>,
    /// When the deletes began of whose outcome nothing is known.
    unknown_deletes: BTreeSet<u128>,
    /// When the puts began of whose outcome nothing is known.
    unknown_puts: BTreeSet<u128>,
    /// The versions that the key is known to have had, and whether it existed then.
    versions: BTreeMap<Version, bool>,
    reasons: Vec<String>,
}

impl<'a> KeyHistory<'a> {
    fn new(records: &[&'a Record]) -> Self {
        let mut history = Self {
            puts: HashMap::new(),
            deletes: BTreeMap::from([(Version::NONE, 0)]),
            unknown_deletes: BTreeSet::new(),
            unknown_puts: BTreeSet::new(),
            versions: BTreeMap::from([(Version::NONE, false)]),
            reasons: Vec::new(),
        };
        let mut writers: HashMap<Version, &Record> = HashMap::new();
        for record in records {
            match (&record.action, &record.answer) {
                (Action::Put(value, _), answer) => {
                    history.puts.insert(value, record);
                    if *answer == Answer::Unknown {
                        history.unknown_puts.insert(record.began);
                    }
                }
                (Action::Delete, Answer::Written(version)) => {
                    // A delete that changed nothing tells the version of the one before it.
                    let began = history.deletes.entry(*version).or_insert(record.began);
                    *began = record.began.min(*began);
                }
                (Action::Delete, Answer::Unknown) => {
                    history.unknown_deletes.insert(record.began);
                }
                _ => {}
            }
            if let Answer::Written(version) | Answer::Found(_, version) = &record.answer {
                let exists = record.action != Action::Delete;
                history.versions.insert(*version, exists);
            }
            if let (Action::Put(..), Answer::Written(version)) = (&record.action, &record.answer)
                && let Some(other) = writers.insert(*version, record)
            {
                let reason =
                    format!("two writes have the version {version}: {other:?} and {record:?}");
                history.reasons.push(reason);
            }
        }
        history
    }

    /// Whether a put that was done cannot have met its precondition. Clients expect only versions that they were told.
    fn check_precondition(&mut self, record: &Record) {
        let (Action::Put(_, precondition), Answer::Written(version)) =
            (&record.action, &record.answer)
        else {
            return;
        };
        let before = self.versions.range(..version).next_back();
        let (replaced, existed) = before.map_or((Version::NONE, false), |(at, was)| (*at, *was));
        let may_have_begun = |began: &u128| *began <= record.ended;
        let is_possible = match precondition {
            Precondition::None => true,
            Precondition::Version(expected) => existed && *expected == replaced,
            // A write without an answer may have come between.
            Precondition::Absent => !existed || self.unknown_deletes.iter().any(may_have_begun),
            Precondition::Exists => existed || self.unknown_puts.iter().any(may_have_begun),
        };
        if !is_possible {
            let was = if existed { "found" } else { "absent" };
            let reason = format!(
                "a write did not meet its precondition: {record:?} replaced {replaced}, {was}"
            );
            self.reasons.push(reason);
        }
    }

    fn check(mut self, mut records: Vec<&'a Record>) -> Vec<String> {
        // What had taken effect when an operation began is what was answered before: both lists in the order of time.
        let mut answered: Vec<(u128, Version)> = Vec::new();
        let mut next = 0;
        let mut ended = records.clone();
        ended.sort_by_key(|record| record.ended);
        records.sort_by_key(|record| record.began);
        let mut floor = Version::NONE;
        for record in records {
            self.check_precondition(record);
            while let Some(earlier) = ended
                .get(next)
                .filter(|earlier| earlier.ended < record.began)
            {
                floor = floor.max(effect(earlier));
                next += 1;
            }
            // Reads of absence know no version of their own; they have learned one by now.
            floor = answered
                .iter()
                .filter(|(at, _)| *at < record.began)
                .fold(floor, |floor, (_, version)| floor.max(*version));
            answered.retain(|(at, _)| *at >= record.began);
            if let Some(absent) = self.check_one(record, floor) {
                answered.push((record.ended, absent));
            }
        }
        self.reasons
    }

    /// Checks an operation that began when the key had at least the version `floor`. For a read of absence, the version
    /// that the earliest delete has at least that explains it.
    fn check_one(&mut self, record: &Record, floor: Version) -> Option<Version> {
        match &record.answer {
            Answer::Written(version) => {
                // A delete of a key that is absent already changes nothing.
                let unchanged = record.action == Action::Delete && *version == floor;
                if *version <= floor && *version != Version::NONE && !unchanged {
                    let reason = format!(
                        "a write got version {version} after {floor} had been seen: {record:?}"
                    );
                    self.reasons.push(reason);
                }
                None
            }
            Answer::Found(value, version) => {
                let put = self.puts.get(value.as_str());
                let reason = match put.map(|put| (&put.answer, put.began)) {
                    None => Some("a read found a value that nobody put"),
                    Some((Answer::NotWritten, _)) => Some("a read found a write that was not done"),
                    Some((Answer::Written(written), _)) if written != version => {
                        Some("a read found a value under a version that is not its own")
                    }
                    Some((_, began)) if began > record.ended => {
                        Some("a read found a value before it was put")
                    }
                    Some(_) if *version < floor => Some("a stale read"),
                    Some(_) => None,
                };
                if let Some(reason) = reason {
                    self.reasons
                        .push(format!("{reason}: {record:?}, after version {floor}"));
                }
                None
            }
            Answer::Absent => {
                let explains = |began: &u128| *began <= record.ended;
                let mut later = self.deletes.range(floor..);
                let known = later.find(|(_, began)| explains(began));
                // It may have come before every later delete whose version is known.
                let mut unknown = self.unknown_deletes.iter().filter(|began| explains(began));
                let unknown = unknown.next().map(|_| Version::new(floor.get() + 1));
                let earliest = known
                    .map(|(version, _)| *version)
                    .into_iter()
                    .chain(unknown);
                let earliest = earliest.min();
                if earliest.is_none() {
                    let reason =
                        format!("a stale read of absence: {record:?}, after version {floor}");
                    self.reasons.push(reason);
                }
                earliest
            }
            Answer::NotWritten | Answer::Unknown => None,
        }
    }
}

/// The version that a key had at least, once this operation was answered.
fn effect(record: &Record) -> Version {
    match record.answer {
        Answer::Written(version) | Answer::Found(_, version) => version,
        Answer::NotWritten | Answer::Absent | Answer::Unknown => Version::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One operation a tuple: began, ended, action, answer.
    fn reasons(operations: &[(u128, u128, Action, Answer)]) -> Vec<String> {
        let history = History::default();
        let key: Key = "key".parse().unwrap();
        for (began, ended, action, answer) in operations {
            history.record_at(&key, action.clone(), *began, answer.clone(), *ended);
        }
        history
            .violations()
            .into_iter()
            .map(|violation| violation.reason)
            .collect()
    }

    fn put(began: u128, ended: u128, version: u64) -> (u128, u128, Action, Answer) {
        let answer = Answer::Written(Version::new(version));
        (
            began,
            ended,
            Action::Put(version.to_string(), Precondition::None),
            answer,
        )
    }

    fn lost_put(began: u128, value: u64) -> (u128, u128, Action, Answer) {
        (
            began,
            began + 1,
            Action::Put(value.to_string(), Precondition::None),
            Answer::Unknown,
        )
    }

    fn delete(began: u128, ended: u128, version: u64) -> (u128, u128, Action, Answer) {
        (
            began,
            ended,
            Action::Delete,
            Answer::Written(Version::new(version)),
        )
    }

    fn get(began: u128, ended: u128, version: u64) -> (u128, u128, Action, Answer) {
        let answer = Answer::Found(version.to_string(), Version::new(version));
        (began, ended, Action::Get, answer)
    }

    fn absent(began: u128, ended: u128) -> (u128, u128, Action, Answer) {
        (began, ended, Action::Get, Answer::Absent)
    }

    #[track_caller]
    fn assert_linearizable(operations: &[(u128, u128, Action, Answer)]) {
        assert_eq!(reasons(operations), [""; 0]);
    }

    #[track_caller]
    fn assert_violates(operations: &[(u128, u128, Action, Answer)], expected: &str) {
        let reasons = reasons(operations);
        assert!(
            reasons.iter().any(|reason| reason.contains(expected)),
            "{reasons:?}"
        );
    }

    #[test]
    fn one_after_another() {
        assert_linearizable(&[
            absent(0, 1),
            put(2, 3, 5),
            get(4, 5, 5),
            delete(6, 7, 8),
            absent(8, 9),
        ]);
    }

    #[test]
    fn a_concurrent_read_may_see_either() {
        assert_linearizable(&[put(0, 1, 1), put(2, 9, 2), get(3, 4, 1), get(5, 6, 2)]);
        assert_linearizable(&[put(0, 1, 1), delete(2, 9, 2), get(3, 4, 1), absent(5, 6)]);
    }

    #[test]
    fn an_old_value_after_an_answered_write_is_stale() {
        assert_violates(&[put(0, 1, 1), put(2, 3, 2), get(4, 5, 1)], "a stale read");
        assert_violates(&[put(0, 1, 1), absent(2, 3)], "a stale read of absence");
        assert_violates(
            &[put(0, 1, 1), delete(2, 3, 2), get(4, 5, 1)],
            "a stale read",
        );
    }

    #[test]
    fn reads_do_not_go_back() {
        let writes = [put(0, 1, 1), put(2, 20, 2)];
        assert_violates(
            &[&writes[..], &[get(3, 4, 2), get(5, 6, 1)]].concat(),
            "a stale read",
        );
        let writes = [put(0, 1, 1), delete(2, 20, 2)];
        assert_violates(
            &[&writes[..], &[absent(3, 4), get(5, 6, 1)]].concat(),
            "a stale read",
        );
    }

    #[test]
    fn a_write_without_an_answer_may_be_seen_or_not() {
        assert_linearizable(&[put(0, 1, 1), lost_put(2, 2), get(4, 5, 1), get(6, 7, 2)]);
        assert_linearizable(&[put(0, 1, 1), lost_put(2, 2), get(6, 7, 1)]);
        let lost_delete = (2, 3, Action::Delete, Answer::Unknown);
        assert_violates(
            &[
                put(0, 1, 1),
                lost_delete.clone(),
                absent(4, 5),
                get(6, 7, 1),
            ],
            "a stale read",
        );
        assert_linearizable(&[put(0, 1, 1), lost_delete.clone(), absent(4, 5)]);
        // The lost delete, not the later one that has begun already, is what the first read sees.
        let writes = [put(0, 1, 1), lost_delete, put(4, 7, 2), delete(5, 10, 3)];
        assert_linearizable(&[&writes[..], &[absent(5, 6), get(8, 9, 2)]].concat());
    }

    #[test]
    fn what_was_not_written_is_not_seen() {
        let refused = (
            2,
            3,
            Action::Put("2".to_owned(), Precondition::None),
            Answer::NotWritten,
        );
        assert_violates(&[put(0, 1, 1), refused, get(4, 5, 2)], "was not done");
        assert_violates(&[get(0, 1, 3)], "nobody put");
        assert_violates(&[get(0, 1, 3), put(2, 3, 3)], "before it was put");
    }

    #[test]
    fn versions_are_unique_and_grow() {
        let twice = (
            4,
            5,
            Action::Put("other".to_owned(), Precondition::None),
            Answer::Written(Version::new(1)),
        );
        assert_violates(&[put(0, 1, 1), twice], "two writes have the version 1");
        assert_violates(&[put(0, 1, 2), put(2, 3, 1)], "after 2 had been seen");
    }
    fn put_if(
        began: u128,
        ended: u128,
        precondition: Precondition,
        version: u64,
    ) -> (u128, u128, Action, Answer) {
        let (_, _, _, answer) = put(began, ended, version);
        let action = Action::Put(version.to_string(), precondition);
        (began, ended, action, answer)
    }

    fn version(version: u64) -> Precondition {
        Precondition::Version(Version::new(version))
    }

    const UNMET: &str = "did not meet its precondition";

    #[test]
    fn preconditions_that_are_met() {
        assert_linearizable(&[
            put_if(0, 1, Precondition::Absent, 1),
            put_if(2, 9, version(1), 2),
            put_if(3, 8, version(2), 3),
            delete(10, 11, 4),
            put_if(12, 13, Precondition::Absent, 5),
            put_if(14, 15, Precondition::Exists, 6),
        ]);
        // The version that is expected is that of a write without an answer.
        let writes = [put(0, 1, 1), lost_put(2, 2)];
        let seen = [get(4, 5, 2), put_if(6, 7, version(2), 3)];
        assert_linearizable(&[&writes[..], &seen].concat());
    }

    #[test]
    fn one_version_is_replaced_only_once() {
        let [one, other] = [put_if(2, 9, version(1), 2), put_if(3, 8, version(1), 3)];
        assert_violates(&[put(0, 1, 1), one, other], UNMET);
        let creations = [
            put_if(0, 9, Precondition::Absent, 1),
            put_if(0, 9, Precondition::Absent, 2),
        ];
        assert_violates(&creations, UNMET);
    }

    #[test]
    fn a_write_between_the_expected_version_and_the_new_one() {
        let late = put_if(3, 8, version(1), 3);
        assert_violates(&[put(0, 1, 1), put(2, 9, 2), late.clone()], UNMET);
        assert_violates(&[put(0, 1, 1), delete(2, 9, 2), late.clone()], UNMET);
        // Seen by a reader, though nobody was told that it was done.
        let seen = [put(0, 1, 1), lost_put(2, 2), late.clone(), get(4, 5, 2)];
        assert_violates(&seen, UNMET);
        assert_linearizable(&[put(0, 1, 1), lost_put(2, 2), late]);
    }

    #[test]
    fn a_deleted_key_is_not_there_and_a_stored_one_is() {
        let deleted = [put(0, 1, 1), delete(2, 3, 2)];
        for unmet in [version(2), version(1), Precondition::Exists] {
            assert_violates(&[&deleted[..], &[put_if(4, 5, unmet, 3)]].concat(), UNMET);
        }
        let created = put_if(4, 5, Precondition::Absent, 3);
        assert_violates(&[put(0, 1, 1), created.clone()], UNMET);
        let lost_delete = (2, 3, Action::Delete, Answer::Unknown);
        assert_linearizable(&[put(0, 1, 1), lost_delete, created]);
        let exists = put_if(4, 5, Precondition::Exists, 3);
        assert_linearizable(&[&deleted[..], &[lost_put(3, 9), exists]].concat());
    }
}
