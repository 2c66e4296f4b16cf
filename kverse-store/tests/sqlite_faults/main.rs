//! SQLite in bad conditions: full disks, read-only and broken files, two stores on one file, clocks that go back.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod commits;
mod feed;
mod files;
mod fixture;
mod full;
mod read_only;
mod sweeps;
