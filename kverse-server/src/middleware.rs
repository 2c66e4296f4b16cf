//! What is done around every request.

mod cors;
mod observe;

pub(crate) use cors::Cors;
pub(crate) use observe::Observe;
