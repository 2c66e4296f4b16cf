//! The conformance suite on the stores of this crate.

use std::sync::Arc;

use async_trait::async_trait;
use kverse_core::testing::Backend;
use kverse_core::{KvStore, Limits, ManualClock, MemoryStore};

struct Memory {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

#[async_trait]
impl Backend for Memory {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = MemoryStore::new(Arc::<ManualClock>::clone(&clock), Limits::default());
        Self {
            clock,
            store: Arc::new(store),
        }
    }

    fn store(&self) -> Arc<dyn KvStore> {
        Arc::<MemoryStore>::clone(&self.store)
    }

    fn clock(&self) -> Option<Arc<ManualClock>> {
        Some(Arc::clone(&self.clock))
    }
}

/// The same store on the clock of the machine: what the suite does where no test can set the clock.
struct MemoryInRealTime(Arc<MemoryStore>);

#[async_trait]
impl Backend for MemoryInRealTime {
    async fn start() -> Self {
        Self(Arc::default())
    }

    fn store(&self) -> Arc<dyn KvStore> {
        Arc::<MemoryStore>::clone(&self.0)
    }
}

kverse_core::conformance!(memory, Memory, clocked);
kverse_core::conformance!(memory_in_real_time, MemoryInRealTime);
kverse_core::conformance_of_wrappers!(wrapped_memory, Memory, clocked);
