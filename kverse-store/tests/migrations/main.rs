//! From each older schema to the present one and back, and beside a newer one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod contents;
mod files;
mod postgres;
mod rules;
mod sqlite;
