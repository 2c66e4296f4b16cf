//! The handlers: extract, one call on the store, map to an answer.

pub(crate) mod batch;
pub(crate) mod docs;
pub(crate) mod entry;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod info;
pub(crate) mod keys;
pub(crate) mod kv;
pub(crate) mod raw;
pub(crate) mod stats;
pub(crate) mod tokens;
pub(crate) mod transfer;
pub(crate) mod watch;

use actix_web::HttpResponse;

use crate::error::Failure;

/// What a handler returns.
type Answer = Result<HttpResponse, Failure>;
