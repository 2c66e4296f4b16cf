//! What the nodes of a cluster agree on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::report::{Address, Report};
use super::slots;

/// The primaries of a cluster that keys are spread over, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) members: Vec<Member>,
    /// Where nodes are that may be asked later.
    pub(super) nodes: BTreeSet<Address>,
}

/// A primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    id: String,
    pub(super) run_id: String,
    config_epoch: u64,
    /// The first hash tag that puts keys into one of its slots.
    pub(super) tag: String,
    pub(super) address: Address,
}

impl Shape {
    /// What those who answered agree on; else what is missing. Every primary must have answered, must take itself for one,
    /// and must see the same primaries, and the same owner of each slot that is used. So a primary that was replaced, and
    /// does not know it yet, is not taken for one: those who replaced it do not agree.
    pub(super) fn agreed(reports: &BTreeMap<String, Report>) -> Result<Self, String> {
        let mut why = "no primary of the cluster answers".to_owned();
        for report in reports.values().filter(|report| report.is_primary) {
            match Self::seen_by(report, reports) {
                Ok(shape) => return Ok(shape),
                Err(reason) => why = reason,
            }
        }
        Err(why)
    }

    fn seen_by(one: &Report, reports: &BTreeMap<String, Report>) -> Result<Self, String> {
        const DISAGREE: &str = "its nodes do not agree yet on who owns which slots";
        let mut primaries = Vec::new();
        for id in one.primaries() {
            let place = || one.addresses.get(id).map(ToString::to_string);
            let Some(report) = reports.get(id) else {
                let node = place().unwrap_or_default();
                return Err(format!("its node {node} does not answer"));
            };
            if !report.is_ok {
                let node = place().unwrap_or_default();
                return Err(format!("cluster_state is not ok at its node {node}"));
            }
            if !report.is_primary || report.primaries() != one.primaries() {
                return Err(DISAGREE.to_owned());
            }
            primaries.push(report);
        }
        let mut shape = Self {
            members: Vec::new(),
            nodes: BTreeSet::new(),
        };
        for report in &primaries {
            shape.nodes.extend(report.addresses.values().cloned());
            let numbers = report
                .settled_slots()
                .map(|slot| (slots::number_for(slot), slot));
            // None: all that it had is on its way to others.
            let Some((number, slot)) = numbers.min() else {
                continue;
            };
            let owned = |other: &&Report| other.owner_of(slot) == Some(&report.id);
            if !primaries.iter().all(owned) {
                return Err(DISAGREE.to_owned());
            }
            let address = report.addresses.get(&report.id);
            let address = address.ok_or_else(|| DISAGREE.to_owned())?;
            shape.members.push(Member {
                id: report.id.clone(),
                run_id: report.run_id.clone(),
                config_epoch: report.config_epoch,
                tag: slots::tag(number),
                address: address.clone(),
            });
        }
        if shape.members.is_empty() {
            return Err("none of its nodes owns a slot".to_owned());
        }
        Ok(shape)
    }

    /// The same for all who would put the same keys into the same processes, and for nobody else. With the configuration
    /// epochs, since a node that was replaced and is primary again may be the process that it was, and its data not.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for member in &self.members {
            let Member {
                id,
                run_id,
                config_epoch,
                tag,
                ..
            } = member;
            hash.update(format!("{id} {run_id} {config_epoch} {tag}\n"));
        }
        let mut digest = String::new();
        for byte in hash.finalize().iter().take(20) {
            // Writing to a string does not fail.
            let _ = write!(digest, "{byte:02x}");
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Range, tests::address};
    use super::*;

    /// Three primaries, a, b and c, with a third of the slots each.
    fn cluster() -> BTreeMap<String, Report> {
        let ids = ["a", "b", "c"];
        let owners: Vec<Range> = ids
            .into_iter()
            .zip([(0, 5000), (5001, 10_000), (10_001, 16_383)])
            .map(|(id, (first, last))| Range {
                first,
                last,
                owner: id.to_owned(),
            })
            .collect();
        let addresses = ids.into_iter().zip(1..);
        let addresses: BTreeMap<String, Address> = addresses
            .map(|(id, port)| (id.to_owned(), address(port)))
            .collect();
        let report = |id: &str| Report {
            id: id.to_owned(),
            run_id: format!("process of {id}"),
            is_primary: true,
            is_ok: true,
            config_epoch: 1,
            open: BTreeSet::new(),
            owners: owners.clone(),
            addresses: addresses.clone(),
        };
        ids.map(|id| (id.to_owned(), report(id))).into()
    }

    fn digest(reports: &BTreeMap<String, Report>) -> String {
        Shape::agreed(reports).unwrap().digest()
    }

    fn with(change: impl FnOnce(&mut BTreeMap<String, Report>)) -> BTreeMap<String, Report> {
        let mut reports = cluster();
        change(&mut reports);
        reports
    }

    fn change(id: &str, change: impl FnOnce(&mut Report)) -> BTreeMap<String, Report> {
        with(|reports| change(reports.get_mut(id).unwrap()))
    }

    /// B is replaced by its replica d, whom these know of.
    fn replace_b(report: &mut Report) {
        report.owners[1].owner = "d".to_owned();
        report.addresses.insert("d".to_owned(), address(4));
    }

    #[test]
    fn each_primary_has_a_tag_of_its_own_slots() {
        let shape = Shape::agreed(&cluster()).unwrap();
        assert_eq!(shape.members.len(), 3);
        for (member, slots) in shape
            .members
            .iter()
            .zip([0..=5000, 5001..=10_000, 10_001..=16_383])
        {
            let number = member.tag.trim_matches(['{', '}']);
            assert!(slots.contains(&slots::slot(number.as_bytes())));
            let below = 0..number.parse::<u32>().unwrap();
            let mut below = below.map(|number| slots::slot(number.to_string().as_bytes()));
            assert!(below.all(|slot| !slots.contains(&slot)));
        }
        assert_eq!(digest(&cluster()).len(), 40);
        assert_eq!(digest(&cluster()), digest(&cluster()));
    }

    #[test]
    fn whatever_moves_keys_or_loses_them_is_another_shape() {
        let same = digest(&cluster());
        let restarted = change("b", |b| b.run_id = "another process".to_owned());
        assert_ne!(digest(&restarted), same);
        // It was replaced, and has replaced its replacement.
        let back = change("b", |b| b.config_epoch = 3);
        assert_ne!(digest(&back), same);
        let used = Shape::agreed(&cluster()).unwrap().members[1].tag.clone();
        let used = slots::slot(used.trim_matches(['{', '}']).as_bytes());
        let migrating = change("b", |b| b.open.extend([used]));
        assert_ne!(digest(&migrating), same);
        let gone = with(|reports| {
            reports.remove("c");
            for report in reports.values_mut() {
                report.owners[2].owner = "a".to_owned();
            }
        });
        assert_ne!(digest(&gone), same);
        // Not a slot that is used, though.
        let elsewhere = change("b", |b| {
            b.open.extend((5001..=10_000).filter(|slot| *slot != used))
        });
        assert_eq!(digest(&elsewhere), same);
    }

    #[test]
    fn a_node_that_gives_all_its_slots_away_is_left_out() {
        let drained = change("b", |b| b.open.extend(5001..=10_000));
        assert_eq!(Shape::agreed(&drained).unwrap().members.len(), 2);
    }

    #[test]
    fn all_primaries_must_answer_and_agree() {
        let refused = |reports: &BTreeMap<String, Report>, word: &str| {
            let why = Shape::agreed(reports).unwrap_err();
            assert!(why.contains(word), "{why}");
        };
        refused(&BTreeMap::new(), "no primary");
        refused(&with(|reports| drop(reports.remove("b"))), "asked:2");
        refused(&change("b", |b| b.is_ok = false), "cluster_state");
        refused(&change("b", |b| b.is_primary = false), "agree");
        let swap = |a: &mut Report| {
            a.owners[0].owner = "b".to_owned();
            a.owners[1].owner = "a".to_owned();
        };
        refused(&change("a", swap), "agree");
        refused(&change("c", replace_b), "agree");
        for report in cluster().values_mut() {
            report.is_primary = false;
            refused(
                &BTreeMap::from([(report.id.clone(), report.clone())]),
                "no primary",
            );
        }
    }

    /// Cut off from the others, it takes itself for a primary still.
    #[test]
    fn a_primary_that_was_replaced_is_not_believed() {
        let mut reports = cluster();
        for id in ["a", "c"] {
            replace_b(reports.get_mut(id).unwrap());
        }
        let mut replacement = reports["a"].clone();
        replacement.id = "d".to_owned();
        replacement.run_id = "process of d".to_owned();
        reports.insert("d".to_owned(), replacement);
        let shape = Shape::agreed(&reports).unwrap();
        let ids: Vec<_> = shape.members.iter().map(|member| &*member.id).collect();
        assert_eq!(ids, ["a", "c", "d"]);
    }
}
