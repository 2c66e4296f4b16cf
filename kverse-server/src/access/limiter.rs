//! How many requests a client may make.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;

use super::config::Rate;
use crate::error::Failure;

/// How many clients are remembered, each in about 100 bytes. Those that were not seen for the longest time are forgotten
/// first: when more than this come at once, some may make more requests than they should.
const CLIENTS: usize = 100_000;

type Instant = <MonotonicClock as Clock>::Instant;

/// Limits the requests of each client on its own.
pub(super) struct Limiter<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, BoundedStates<K>, MonotonicClock, NoOpMiddleware<Instant>>,
    clock: MonotonicClock,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// This many in the long run, and `burst` at once.
    pub(super) fn new(rate: Rate, burst: u32) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        // A period is zero only for more requests than a clock has ticks.
        let quota = Quota::with_period(rate.period().max(Duration::from_nanos(1)))
            .unwrap_or(Quota::per_second(NonZeroU32::MAX))
            .allow_burst(burst);
        let states = BoundedStates(Cache::new(CLIENTS));
        let clock = MonotonicClock;
        Self {
            limiter: RateLimiter::new(quota, states, clock.clone()),
            clock,
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// 429 if it is one too many.
    pub(super) fn check(&self, client: K) -> Result<(), Failure> {
        self.limiter
            .check_key(&client)
            .map_err(|until| Failure::too_many_requests(until.wait_time_from(self.clock.now())))
    }
}

/// What was counted, for a bounded number of clients.
struct BoundedStates<K>(Cache<K, Arc<InMemoryState>>);

impl<K: Hash + Eq + Clone> StateStore for BoundedStates<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = match self.0.get(key) {
            Some(state) => state,
            None => match self.0.get_value_or_guard(key, None) {
                quick_cache::sync::GuardResult::Value(state) => state,
                quick_cache::sync::GuardResult::Guard(guard) => {
                    let state = Arc::<InMemoryState>::default();
                    // Refused only if it was removed meanwhile.
                    let _ = guard.insert(Arc::clone(&state));
                    state
                }
                quick_cache::sync::GuardResult::Timeout => Arc::default(),
            },
        };
        state.measure_and_replace(&NotKeyed::NonKey, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_count_in_bounded_memory() {
        let limiter = Limiter::new("1/h".parse().unwrap(), 3);
        for client in ["a", "b"] {
            for _ in 0..3 {
                limiter.check(client.to_owned()).unwrap();
            }
            let refused = limiter.check(client.to_owned()).unwrap_err();
            assert_eq!(refused.code(), "too_many_requests");
        }
        for i in 0..2 * CLIENTS {
            limiter.check(i.to_string()).unwrap();
        }
        assert!(limiter.limiter.into_state_store().0.len() <= CLIENTS);
    }
}
