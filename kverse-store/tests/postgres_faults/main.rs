//! PostgreSQL in bad conditions: restarts, pauses, cut connections, lost answers, late writers, replicas in each other's way.
#![cfg(all(feature = "postgres", unix))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod behind_proxy;
mod common;
mod feed;
mod languages;
mod locks;
mod lost_answers;
mod opening;
mod pool;
mod register;
mod restarts;
mod standby;
mod sweeps;
