//! What makes a repeated request the same one: the idempotency key, or the id that a proxy gave it.

use actix_web::http::header::{HeaderMap, HeaderName};
use kverse_core::{Expiry, Operation, Precondition, Write, WriteAction, WriteId};
use kverse_store::wire::{check_idempotency_key, with_idempotency_key};

use super::single;
use crate::error::Failure;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// By what a repeated request is recognised. In each case together with its content: other requests with the same
/// identity are other requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestIdentity<'a> {
    /// By nothing.
    None,
    /// By the `Idempotency-Key` of the client.
    Key(&'a str),
    /// By the `X-Request-Id`, which a proxy gives a request once, also if it sends it to a second server because the
    /// answer of the first one did not come.
    Request(&'a str),
}

impl<'a> RequestIdentity<'a> {
    /// Of ids that are shorter somebody may have two alike.
    const MIN_ID_BYTES: usize = 16;
    const MAX_ID_BYTES: usize = 255;
    /// Random hexadecimal digits have more.
    const MIN_DIFFERENT: usize = 6;

    /// The identity of a request.
    ///
    /// # Errors
    /// 400 for an idempotency key that is given twice, and what is wrong with it. A request id that does not look unique is none.
    pub(crate) fn parse(headers: &'a HeaderMap) -> Result<Self, Failure> {
        if let Some(key) = single(headers, &IDEMPOTENCY_KEY, "malformed_header")? {
            check_idempotency_key(key)?;
            return Ok(Self::Key(key));
        }
        let mut ids = headers.get_all(&X_REQUEST_ID);
        let id = match (ids.next(), ids.next()) {
            (Some(id), None) => id.to_str().ok().filter(|id| looks_unique(id)),
            _ => None,
        };
        Ok(id.map_or(Self::None, Self::Request))
    }

    /// The write, recognised by this identity.
    ///
    /// # Errors
    /// What is wrong with the idempotency key.
    pub(crate) fn identify(self, write: Write) -> Result<Write, Failure> {
        match self {
            Self::Key(key) => Ok(with_idempotency_key(write, key)?),
            Self::Request(id) if !may_be_meant_twice(&write) => {
                Ok(with_idempotency_key(write, &request_key(id))?)
            }
            Self::Request(_) | Self::None => Ok(write),
        }
    }

    /// The operations of a batch, each recognised on its own; those with an idempotency key of their own (`true`) by that.
    pub(crate) fn identify_batch(
        self,
        operations: Vec<(Operation, bool)>,
        body: &[u8],
    ) -> Vec<Operation> {
        let content = WriteId::derive([body]);
        let identify = |(index, (operation, has_own_key)): (usize, (Operation, bool))| match (
            operation,
            self.text(),
        ) {
            (Operation::Write(write), Some(text))
                if !(has_own_key || self.is_request() && may_be_meant_twice(&write)) =>
            {
                let index = index.to_string();
                let parts = [text.as_bytes(), content.as_bytes(), index.as_bytes()];
                Operation::Write(write.with_write_id(WriteId::derive(parts)))
            }
            (operation, _) => operation,
        };
        operations.into_iter().enumerate().map(identify).collect()
    }

    /// The operations of a transaction, recognised as a whole; those with an idempotency key of their own (`true`) by that.
    pub(crate) fn identify_transaction(
        self,
        operations: Vec<(Operation, bool)>,
        body: &[u8],
    ) -> Vec<Operation> {
        let is_conditional = operations.iter().any(|(one, _)| is_conditional(one));
        let may_be_meant_twice = operations.iter().any(|(one, _)| match one {
            Operation::Write(write) => may_be_meant_twice(write),
            Operation::Get { .. } => false,
        });
        let repeatable = !is_conditional && may_be_meant_twice;
        let text = self.text().filter(|_| !(self.is_request() && repeatable));
        let content = WriteId::derive([body]);
        let identify = |(index, (operation, has_own_key)): (usize, (Operation, bool))| match (
            operation, &text,
        ) {
            (Operation::Write(write), Some(text)) if !has_own_key => {
                Operation::Write(write.with_write_id(numbered(text, &content, index)))
            }
            (operation, _) => operation,
        };
        operations.into_iter().enumerate().map(identify).collect()
    }

    fn text(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Key(key) => Some(key.to_owned()),
            Self::Request(id) => Some(request_key(id)),
        }
    }

    fn is_request(self) -> bool {
        matches!(self, Self::Request(_))
    }
}

/// The id of one operation of a request.
fn numbered(text: &str, content: &WriteId, index: usize) -> WriteId {
    let index = index.to_string();
    WriteId::derive([text.as_bytes(), content.as_bytes(), index.as_bytes()])
}

/// Ids must not meet the keys that clients choose.
fn request_key(id: &str) -> String {
    format!("{}", WriteId::derive([b"request", id.as_bytes()]))
}

fn looks_unique(id: &str) -> bool {
    let lengths = RequestIdentity::MIN_ID_BYTES..=RequestIdentity::MAX_ID_BYTES;
    let mut bytes = id.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    lengths.contains(&id.len()) && bytes.len() >= RequestIdentity::MIN_DIFFERENT
}

fn is_conditional(operation: &Operation) -> bool {
    let precondition = match operation {
        Operation::Get { precondition, .. } => *precondition,
        Operation::Write(write) => write.precondition,
    };
    precondition != Precondition::None
}

/// A write that prolongs an entry: a client who has one request id for many requests may do the same again and mean it,
/// and a proxy that repeats it does no harm.
fn may_be_meant_twice(write: &Write) -> bool {
    let expiry = match &write.action {
        WriteAction::Put { expiry, .. } | WriteAction::Touch { expiry } => *expiry,
        WriteAction::Delete => return false,
    };
    write.precondition == Precondition::None && matches!(expiry, Expiry::After(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_others_may_have_is_none() {
        for (id, expected) in [
            ("8c7d4e1f5a6b7c8d9e0f1a2b3c4d5e6f", true),
            ("0b6a7f9e-3c1d-4a55", true),
            ("1", false),
            ("request-1", false),
            ("0000000000000000", false),
            ("aaaaaaaabbbbbbbbcccccccc", false),
            (&"0123456789".repeat(26), false),
        ] {
            assert_eq!(looks_unique(id), expected, "{id}");
        }
    }
}
