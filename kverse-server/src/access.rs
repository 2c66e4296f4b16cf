//! Who may do what.

mod authorize;

pub(crate) use authorize::GuardedStore;
