//! The wrappers of this crate, for [`Wrapped`](super::Wrapped).

use std::sync::Arc;

use prometheus::Registry;

use super::Wrap;
use crate::{
    CachedStore, Clock, CoalescedStore, GroupCommitStore, KvStore, MemoryCache, ObservedStore,
};

/// A [`CachedStore`] with a [`MemoryCache`] so small that entries are evicted.
#[derive(Debug)]
pub struct Cached;

impl Wrap for Cached {
    fn wrap(store: Arc<dyn KvStore>, clock: Arc<dyn Clock>) -> Arc<dyn KvStore> {
        let cache = Arc::new(MemoryCache::new(64 << 10));
        Arc::new(CachedStore::new(cache, store, clock).expect("a backend that is not shared"))
    }
}

/// A [`CoalescedStore`] with one read in flight.
#[derive(Debug)]
pub struct Coalesced;

impl Wrap for Coalesced {
    fn wrap(store: Arc<dyn KvStore>, _clock: Arc<dyn Clock>) -> Arc<dyn KvStore> {
        Arc::new(CoalescedStore::new(store, 1))
    }
}

/// A [`GroupCommitStore`].
#[derive(Debug)]
pub struct GroupCommit;

impl Wrap for GroupCommit {
    fn wrap(store: Arc<dyn KvStore>, _clock: Arc<dyn Clock>) -> Arc<dyn KvStore> {
        Arc::new(GroupCommitStore::new(store, None).expect("nothing to register"))
    }
}

/// An [`ObservedStore`].
#[derive(Debug)]
pub struct Observed;

impl Wrap for Observed {
    fn wrap(store: Arc<dyn KvStore>, _clock: Arc<dyn Clock>) -> Arc<dyn KvStore> {
        Arc::new(ObservedStore::new(store, &Registry::new()).expect("an empty registry"))
    }
}

/// All of them, in the order in which a server stacks them.
#[derive(Debug)]
pub struct Stack;

impl Wrap for Stack {
    fn wrap(store: Arc<dyn KvStore>, clock: Arc<dyn Clock>) -> Arc<dyn KvStore> {
        let cached = Cached::wrap(
            Coalesced::wrap(store, Arc::clone(&clock)),
            Arc::clone(&clock),
        );
        Observed::wrap(GroupCommit::wrap(cached, Arc::clone(&clock)), clock)
    }
}
