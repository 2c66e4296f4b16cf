//! Watching: one reader follows the feed of changes for all watchers of the server.
//!
//! ```text
//! store.changes --> reader --> hub --> mailbox of each watcher --> follower --> stream of its connection
//!        \_____________________________________________________/
//!          what a watcher has missed, it reads on its own
//! ```
//!
//! The reader reads only while somebody watches, from the present position. A watcher that resumes reads the store by
//! itself until it has come as far as the hub, then takes from its mailbox.

mod event;
mod follower;
mod hub;
mod mailbox;
mod reader;
mod stream;
mod subscribers;

pub(crate) use follower::Follower;
pub(crate) use hub::Hub;
pub(crate) use reader::read;
pub(crate) use stream::{Authorization, Watcher};
