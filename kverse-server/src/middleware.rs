//! What is done around every request.

mod cors;
mod guard;
mod observe;

pub(crate) use cors::Cors;
pub(crate) use guard::Guard;
pub(crate) use observe::{Observe, request_id_of};
