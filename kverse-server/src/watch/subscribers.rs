//! Who waits for which keys.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kverse_core::{Key, Prefix};

use super::mailbox::Mailbox;

/// The mailboxes by prefix: a change costs a look for each length that a prefix has, however many watch others.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    by_prefix: HashMap<Box<str>, BTreeMap<u64, Arc<Mailbox>>>,
    /// How many prefixes have this length.
    lengths: BTreeMap<usize, usize>,
    next_id: u64,
}

impl Subscribers {
    pub(super) fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }

    /// Adds a mailbox; its number among those of the prefix.
    pub(super) fn add(&mut self, prefix: &Prefix, mailbox: Arc<Mailbox>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let prefix = prefix.as_str();
        let mailboxes = self.by_prefix.entry(prefix.into()).or_insert_with(|| {
            *self.lengths.entry(prefix.len()).or_default() += 1;
            BTreeMap::new()
        });
        mailboxes.insert(id, mailbox);
        id
    }

    pub(super) fn remove(&mut self, prefix: &str, id: u64) {
        let Some(mailboxes) = self.by_prefix.get_mut(prefix) else {
            return;
        };
        mailboxes.remove(&id);
        if mailboxes.is_empty() {
            self.by_prefix.remove(prefix);
            let prefixes = self.lengths.entry(prefix.len()).or_default();
            *prefixes = prefixes.saturating_sub(1);
            self.lengths.retain(|_, prefixes| *prefixes > 0);
        }
    }

    /// Removes all. Their numbers are not given again.
    pub(super) fn clear(&mut self) {
        self.by_prefix.clear();
        self.lengths.clear();
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.by_prefix.values().flat_map(BTreeMap::values)
    }

    /// The prefixes that the key begins with, with their mailboxes.
    pub(super) fn of<'a>(
        &'a self,
        key: &'a Key,
    ) -> impl Iterator<Item = (&'a str, &'a BTreeMap<u64, Arc<Mailbox>>)> {
        let lengths = self.lengths.range(..=key.as_str().len());
        lengths.filter_map(|(&length, _)| {
            let prefix = key.as_str().get(..length)?;
            Some((prefix, self.by_prefix.get(prefix)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_the_prefixes_that_it_begins_with() {
        let mut subscribers = Subscribers::default();
        let mut add = |prefix: &str| {
            let prefix = Prefix::new(prefix).unwrap();
            subscribers.add(&prefix, Arc::default())
        };
        let ids = ["", "a", "a/b", "a/b", "é", "b"].map(&mut add);
        let found = |subscribers: &Subscribers, key: &str| {
            let key = key.parse().unwrap();
            let prefixes = subscribers.of(&key);
            prefixes
                .map(|(prefix, mailboxes)| (prefix.to_owned(), mailboxes.len()))
                .collect::<Vec<_>>()
        };
        let of = |text: &str, count| (text.to_owned(), count);
        assert_eq!(
            found(&subscribers, "a/b/c"),
            [of("", 1), of("a", 1), of("a/b", 2)]
        );
        // Its first byte is no beginning of text.
        assert_eq!(found(&subscribers, "è"), [of("", 1)]);
        subscribers.remove("a/b", ids[2]);
        subscribers.remove("a", ids[1]);
        assert_eq!(found(&subscribers, "a/b/c"), [of("", 1), of("a/b", 1)]);
        for (prefix, id) in [("", ids[0]), ("a/b", ids[3]), ("é", ids[4]), ("b", ids[5])] {
            assert!(!subscribers.is_empty());
            subscribers.remove(prefix, id);
        }
        assert!(subscribers.is_empty() && subscribers.lengths.is_empty());
    }
}
