//! Batches and transactions.

use kverse_core::{
    ContentType, Entry, Error, ErrorKind, Expiry, Key, Operation, Precondition, Result, Timestamp,
    Version, Write, WriteAction, WriteOutcome,
};
use serde::{Deserialize, Serialize};

use super::options::{parse_expiry, parse_precondition, with_idempotency_key};
use super::value::encode_value_compact;
use super::{Problem, decode_value, encode_value};

/// The body of `POST /batch` and `POST /transaction`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The operations, done in this order.
    pub operations: Vec<OperationRequest>,
}

/// What an operation of a batch or transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationName {
    /// Reads a key.
    Get,
    /// Stores a value under a key.
    Put,
    /// Changes when an entry ends, without its value.
    Touch,
    /// Removes a key.
    Delete,
}

/// One operation of a batch or transaction. A field that its `op` has no use for is refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationRequest {
    /// What to do.
    pub op: OperationName,
    /// With which key.
    pub key: Key,
    /// Put: the value as text. A put has exactly one of `value` and `value_base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Put: the value as Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// Put: the media type of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<ContentType>,
    /// Put, touch: how long the entry lives, as [`parse_ttl`](super::parse_ttl) reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Put, touch: when the entry ends, instead of `ttl`. A touch has exactly one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The version that the key must have, or `*` for any. Not for a get outside a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// `*`: the key must not exist. Not for a get outside a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_none_match: Option<String>,
    /// Put, touch, delete: makes a retry of the operation return its first answer. 1 to 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl OperationRequest {
    fn new(op: OperationName, key: Key, precondition: Precondition) -> Self {
        let (if_match, if_none_match) = match precondition {
            Precondition::None => (None, None),
            Precondition::Exists => (Some("*".to_owned()), None),
            Precondition::Version(version) => (Some(version.to_string()), None),
            Precondition::Absent => (None, Some("*".to_owned())),
        };
        Self {
            op,
            key,
            value: None,
            value_base64: None,
            content_type: None,
            ttl: None,
            expires_at: None,
            if_match,
            if_none_match,
            idempotency_key: None,
        }
    }

    /// The operation that this asks for.
    ///
    /// # Errors
    /// `InvalidInput` for fields that contradict each other, are missing, or do not belong to the operation.
    pub fn parse(self) -> Result<Operation> {
        let precondition =
            parse_precondition(self.if_match.as_deref(), self.if_none_match.as_deref())?;
        let only_put = [
            ("value", self.value.is_some()),
            ("value_base64", self.value_base64.is_some()),
            ("content_type", self.content_type.is_some()),
        ];
        let has_expiry = self.ttl.is_some() || self.expires_at.is_some();
        if self.op != OperationName::Put
            && let Some((field, _)) = only_put.iter().find(|(_, given)| *given)
        {
            return Err(Error::invalid_input(format!(
                "`{field}` belongs to a put only"
            )));
        }
        if has_expiry && !matches!(self.op, OperationName::Put | OperationName::Touch) {
            return Err(Error::invalid_input(
                "`ttl` and `expires_at` belong to a put or touch only",
            ));
        }
        if self.op == OperationName::Get {
            if self.idempotency_key.is_some() {
                return Err(Error::invalid_input(
                    "`idempotency_key` belongs to a put, touch or delete only",
                ));
            }
            return Ok(Operation::Get {
                key: self.key,
                precondition,
            });
        }
        let write = match self.op {
            OperationName::Put => Write::new(
                self.key,
                WriteAction::Put {
                    value: decode_value(self.value, self.value_base64)?,
                    content_type: self.content_type,
                    expiry: parse_expiry(self.ttl.as_deref(), self.expires_at)?,
                },
            ),
            OperationName::Touch if !has_expiry => {
                return Err(Error::invalid_input(
                    "a touch has one of `ttl` and `expires_at`",
                ));
            }
            OperationName::Touch => {
                let expiry = parse_expiry(self.ttl.as_deref(), self.expires_at)?;
                Write::touch(self.key, expiry)
            }
            OperationName::Get | OperationName::Delete => Write::delete(self.key),
        };
        let write = write.with_precondition(precondition);
        Ok(Operation::Write(match self.idempotency_key {
            Some(key) => with_idempotency_key(write, &key)?,
            None => write,
        }))
    }
}

impl From<&Write> for OperationRequest {
    fn from(write: &Write) -> Self {
        let new = |op| Self::new(op, write.key.clone(), write.precondition);
        let mut request = match &write.action {
            WriteAction::Delete => new(OperationName::Delete),
            WriteAction::Touch { expiry } => {
                let (ttl, expires_at) = encode_expiry(*expiry);
                Self {
                    ttl,
                    expires_at,
                    ..new(OperationName::Touch)
                }
            }
            WriteAction::Put {
                value,
                content_type,
                expiry,
            } => {
                let (ttl, expires_at) = encode_expiry(*expiry);
                let (value, value_base64) = encode_value_compact(value);
                let content_type = content_type.clone();
                Self {
                    value,
                    value_base64,
                    content_type,
                    ttl,
                    expires_at,
                    ..new(OperationName::Put)
                }
            }
        };
        request.idempotency_key = Some(write.write_id.to_string());
        request
    }
}

fn encode_expiry(expiry: Expiry) -> (Option<String>, Option<Timestamp>) {
    match expiry {
        Expiry::Never => (Some("none".to_owned()), None),
        Expiry::Keep => (Some("keep".to_owned()), None),
        Expiry::After(ttl) => (Some(format!("{}us", ttl.as_micros())), None),
        Expiry::At(at) => (None, Some(at)),
    }
}

impl From<&Operation> for OperationRequest {
    fn from(operation: &Operation) -> Self {
        match operation {
            Operation::Get { key, precondition } => {
                Self::new(OperationName::Get, key.clone(), *precondition)
            }
            Operation::Write(write) => write.into(),
        }
    }
}

/// The answer of `POST /batch` and `POST /transaction`: the results in the order of the operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchResponse {
    /// One result an operation.
    pub results: Vec<OperationResponse>,
}

/// What an operation of a batch or transaction found or did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperationResponse {
    /// The status that the operation has as a request of its own: 200, 201, 204, 404, 412, 413, … A get is answered with
    /// 413, too, if the values found so far are more than `max_batch_bytes`: ask for the rest in another batch.
    pub status: u16,
    /// The version of the key: of the entry that a get found, or after a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Get: the value, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Get: the value as Base64, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// Get: the media type that the value was stored with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<ContentType>,
    /// When the entry ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// `true` if this is the first answer of a retried write, which was not done again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

impl OperationResponse {
    /// The result of a get.
    pub fn get(entry: Option<&Entry>) -> Self {
        let Some(entry) = entry else {
            return Self {
                status: 404,
                ..Self::default()
            };
        };
        let (value, value_base64) = encode_value(&entry.value);
        Self {
            status: 200,
            version: Some(entry.version),
            value,
            value_base64,
            content_type: entry.content_type.clone(),
            expires_at: entry.expires_at,
            ..Self::default()
        }
    }

    /// The result of a write with its status.
    pub fn write(status: u16, outcome: &WriteOutcome) -> Self {
        Self {
            status,
            version: Some(outcome.version),
            expires_at: outcome.expires_at,
            replayed: outcome.replayed,
            ..Self::default()
        }
    }

    /// The result of an operation that failed.
    pub fn error(problem: Problem) -> Self {
        Self {
            status: problem.status,
            error: Some(problem),
            ..Self::default()
        }
    }

    /// The entry of a get.
    ///
    /// # Errors
    /// The error of the operation, or `Internal` if the answer makes no sense.
    pub fn into_entry(self) -> Result<Option<Entry>> {
        match (self.error, self.status, self.version) {
            (Some(problem), _, _) => Err(problem.into()),
            (None, 404, _) => Ok(None),
            (None, 200, Some(version)) => {
                let value = decode_value(self.value, self.value_base64)?;
                let entry = Entry::new(value, version).with_content_type(self.content_type);
                Ok(Some(entry.with_expires_at(self.expires_at)))
            }
            (None, status, _) => Err(unexpected(status)),
        }
    }

    /// The outcome of a write.
    ///
    /// # Errors
    /// The error of the operation, or `Internal` if the answer makes no sense.
    pub fn into_outcome(self) -> Result<WriteOutcome> {
        match (self.error, self.status, self.version) {
            (Some(problem), _, _) => Err(problem.into()),
            (None, status @ (200 | 201 | 204 | 404), Some(version)) => {
                let existed = matches!(status, 200 | 204);
                Ok(WriteOutcome::new(version, existed, self.expires_at)
                    .with_replayed(self.replayed))
            }
            (None, status, _) => Err(unexpected(status)),
        }
    }
}

fn unexpected(status: u16) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("an operation was answered with an unexpected status {status}"),
    )
}
