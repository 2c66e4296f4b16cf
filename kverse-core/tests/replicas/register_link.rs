//! The mode register as a replica sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::Result;
use kverse_core::cached::{Heartbeat, ModeRegister, ModeState};
use tokio::time::Instant;

use crate::links::Links;

#[derive(Debug)]
pub(crate) struct RegisterLink(pub(crate) Arc<Links>);

#[async_trait]
impl ModeRegister for RegisterLink {
    async fn read(&self) -> Result<ModeState> {
        self.0.database(async { Ok(self.0.world.state()) }).await
    }

    async fn compare_and_swap(&self, expected: u64, new: ModeState) -> Result<bool> {
        let swap = async {
            let mut register = self.0.world.register.lock().unwrap();
            let swapped = register.state.revision == expected;
            if swapped {
                assert_eq!(new.revision, expected + 1);
                register.state = new;
            }
            Ok(swapped)
        };
        self.0.database(swap).await
    }

    async fn heartbeat(
        &self,
        replica: u128,
        revision: u64,
        forget_after: Duration,
    ) -> Result<Heartbeat> {
        let beat = async {
            let mut register = self.0.world.register.lock().unwrap();
            let now = Instant::now();
            register.replicas.insert(replica, (now, revision));
            register
                .replicas
                .retain(|_, (said_at, _)| now.duration_since(*said_at) < forget_after);
            let said = register.replicas.values();
            Ok(Heartbeat {
                alive: register.replicas.len() as u64,
                ready: said.filter(|(_, said)| *said >= revision).count() as u64,
                now: self.0.world.now(),
            })
        };
        self.0.database(beat).await
    }
}
