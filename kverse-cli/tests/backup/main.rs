//! What ops/BACKUP.md says, done under load, restored elsewhere, and compared.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod document;
mod export;
mod load;
mod postgres;
#[path = "../common/server.rs"]
mod server;
mod sqlite;
