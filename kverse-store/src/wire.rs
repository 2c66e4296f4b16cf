//! The JSON forms of the REST interface, shared by the `http` backend and the server.
//!
//! A value is text in `value` where it is UTF-8, else Base64 (RFC 4648 section 4, padded) in `value_base64`. Versions are
//! decimal strings, times RFC 3339 strings.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kverse_core::{
    ContentType, Entry, Error, ErrorKind, Expiry, Key, Operation, Precondition, Result, ScanEntry,
    Timestamp, Version, Write, WriteAction, WriteId, WriteOutcome,
};
use serde::{Deserialize, Serialize};

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
    /// Put: how long the entry lives, as [`parse_ttl`] reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Put: when the entry ends, instead of `ttl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The version that the key must have, or `*` for any. Not for a get outside a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// `*`: the key must not exist. Not for a get outside a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_none_match: Option<String>,
    /// Put, delete: makes a retry of the operation return its first answer. 1 to 255 bytes.
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
            ("ttl", self.ttl.is_some()),
            ("expires_at", self.expires_at.is_some()),
        ];
        if self.op != OperationName::Put
            && let Some((field, _)) = only_put.iter().find(|(_, given)| *given)
        {
            return Err(Error::invalid_input(format!(
                "`{field}` belongs to a put only"
            )));
        }
        if self.op == OperationName::Get {
            if self.idempotency_key.is_some() {
                return Err(Error::invalid_input(
                    "`idempotency_key` belongs to a put or delete only",
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
            WriteAction::Put {
                value,
                content_type,
                expiry,
            } => {
                let (ttl, expires_at) = match expiry {
                    Expiry::Never => (None, None),
                    Expiry::Keep => (Some("keep".to_owned()), None),
                    Expiry::After(ttl) => (Some(format!("{}us", ttl.as_micros())), None),
                    Expiry::At(at) => (None, Some(*at)),
                };
                let (value, value_base64) = encode_value(value);
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
pub struct BatchResponse {
    /// One result an operation.
    pub results: Vec<OperationResponse>,
}

/// What an operation of a batch or transaction found or did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OperationResponse {
    /// The status that the operation has as a request of its own: 200, 201, 204, 404, 412, 413, …
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

/// The answer of `GET /keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeysResponse {
    /// The keys, in byte order.
    pub keys: Vec<KeyResponse>,
    /// The common beginnings of keys that a delimiter folds together.
    pub common_prefixes: Vec<String>,
    /// Where the next page starts; `null` on the last page.
    pub cursor: Option<String>,
}

/// One key of `GET /keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyResponse {
    /// The key.
    pub key: Key,
    /// Its version.
    pub version: Version,
    /// The size of its value in bytes.
    pub size: u64,
    /// The media type of its value.
    pub content_type: Option<ContentType>,
    /// When the entry ends.
    pub expires_at: Option<Timestamp>,
    /// With `include=value`: the value, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// With `include=value`: the value as Base64, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
}

impl From<ScanEntry> for KeyResponse {
    fn from(entry: ScanEntry) -> Self {
        let (value, value_base64) = entry.value.as_ref().map_or((None, None), encode_value);
        Self {
            key: entry.key,
            version: entry.version,
            size: entry.size,
            content_type: entry.content_type,
            expires_at: entry.expires_at,
            value,
            value_base64,
        }
    }
}

impl KeyResponse {
    /// The entry of a page.
    ///
    /// # Errors
    /// `InvalidInput` if the value is not the Base64 that it claims to be.
    pub fn into_entry(self) -> Result<ScanEntry> {
        let mut entry = ScanEntry::new(self.key, self.version, self.size);
        entry.content_type = self.content_type;
        entry.expires_at = self.expires_at;
        if self.value.is_some() || self.value_base64.is_some() {
            entry.value = Some(decode_value(self.value, self.value_base64)?);
        }
        Ok(entry)
    }
}

/// The answer of `GET /stats`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StatsResponse {
    /// Keys that exist.
    pub items: u64,
    /// When they were counted.
    pub as_of: Timestamp,
}

/// The answer of `GET /readyz?verbose`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadyResponse {
    /// `ok` or `unavailable`.
    pub status: String,
    /// The checks by name.
    pub checks: Vec<CheckResponse>,
}

/// One check of `GET /readyz?verbose`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckResponse {
    /// What was checked.
    pub name: String,
    /// `ok` or `unavailable`.
    pub status: String,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How long the check took, in milliseconds.
    pub duration_ms: f64,
}

/// A problem body: RFC 9457, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of problem it is; `about:blank`, because `code` says it.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The reason phrase of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, for a person.
    pub detail: String,
    /// What is wrong, for a program: [`ErrorKind::code`], or the code of a problem that only HTTP has.
    pub code: String,
    /// The limit that was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The value that exceeded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<u64>,
    /// After a failed precondition: the version of the key, if it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<Version>,
    /// The index of the operation that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<usize>,
}

impl Problem {
    /// The body of an error that is answered with `status` and `title`.
    pub fn new(error: &Error, status: u16, title: &str) -> Self {
        Self {
            problem_type: "about:blank".to_owned(),
            title: title.to_owned(),
            status,
            detail: error.message().to_owned(),
            code: error.kind().code().to_owned(),
            limit: error.limit(),
            actual: error.actual(),
            current_version: error.current_version(),
            operation: error.operation(),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let kind = ErrorKind::from_code(&problem.code).unwrap_or(match problem.status {
            400..500 => ErrorKind::InvalidInput,
            503 => ErrorKind::Unavailable,
            504 => ErrorKind::Timeout,
            _ => ErrorKind::Internal,
        });
        let mut error =
            Self::new(kind, problem.detail).with_current_version(problem.current_version);
        if let (Some(limit), Some(actual)) = (problem.limit, problem.actual) {
            error = error.with_limit(limit, actual);
        }
        if let Some(operation) = problem.operation {
            error = error.with_operation(operation);
        }
        error
    }
}

/// The JSON form of a value: `value` or `value_base64`.
pub fn encode_value(value: &Bytes) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(value) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(value))),
    }
}

/// The value of its JSON form.
///
/// # Errors
/// `InvalidInput` if not exactly one of the two is given, or the Base64 is malformed.
pub fn decode_value(value: Option<String>, value_base64: Option<String>) -> Result<Bytes> {
    match (value, value_base64) {
        (Some(text), None) => Ok(text.into()),
        (None, Some(base64)) => match STANDARD.decode(base64) {
            Ok(value) => Ok(value.into()),
            Err(error) => Err(Error::invalid_input(format!(
                "`value_base64` is not Base64: {error}"
            ))
            .with_source(error)),
        },
        _ => Err(Error::invalid_input(
            "exactly one of `value` and `value_base64` is needed",
        )),
    }
}

/// The precondition of a write, from versions without quotes.
///
/// # Errors
/// `InvalidInput` for anything but a version or `*` in `if_match`, anything but `*` in `if_none_match`, or both.
pub fn parse_precondition(
    if_match: Option<&str>,
    if_none_match: Option<&str>,
) -> Result<Precondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Precondition::None),
        (Some("*"), None) => Ok(Precondition::Exists),
        (Some(version), None) => Ok(Precondition::Version(version.parse()?)),
        (None, Some("*")) => Ok(Precondition::Absent),
        (None, Some(other)) => Err(Error::invalid_input(format!(
            "`{other}` is no condition for a write: only `*` can be not matched"
        ))),
        (Some(_), Some(_)) => Err(Error::invalid_input(
            "a write takes one condition, two were given",
        )),
    }
}

/// How long an entry lives: seconds (`90`), a duration with units (`90s`, `1h30m`, `250ms`), `none` for ever, or `keep` for
/// as long as the entry that it replaces. More than 0, at most 100 years.
///
/// # Errors
/// `InvalidInput` for anything else.
pub fn parse_ttl(ttl: &str) -> Result<Expiry> {
    const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let seconds = ttl
        .parse()
        .ok()
        .filter(|_| ttl.bytes().all(|byte| byte.is_ascii_digit()))
        .map(Duration::from_secs);
    let duration = match (ttl, seconds) {
        ("none", _) => return Ok(Expiry::Never),
        ("keep", _) => return Ok(Expiry::Keep),
        (_, Some(duration)) => duration,
        (_, None) => humantime::parse_duration(ttl).map_err(|error| {
            let message =
                format!("`{ttl}` is not a time to live: expected seconds, a duration such as 1h30m, none or keep");
            Error::invalid_input(message).with_source(error)
        })?,
    };
    if duration.is_zero() || duration > MAX {
        return Err(Error::invalid_input(format!(
            "a time to live of {ttl} is out of range: more than 0, at most 100 years"
        )));
    }
    Ok(Expiry::After(duration))
}

fn parse_expiry(ttl: Option<&str>, expires_at: Option<Timestamp>) -> Result<Expiry> {
    match (ttl, expires_at) {
        (None, None) => Ok(Expiry::Never),
        (Some(ttl), None) => parse_ttl(ttl),
        (None, Some(at)) => Ok(Expiry::At(at)),
        (Some(_), Some(_)) => Err(Error::invalid_input(
            "`ttl` and `expires_at` exclude each other",
        )),
    }
}

/// The write with the id that follows from its client's idempotency key and what it does: the same key with another
/// request is another write.
///
/// # Errors
/// `InvalidInput` for an empty key, `TooLarge` for one over 255 bytes.
pub fn with_idempotency_key(write: Write, idempotency_key: &str) -> Result<Write> {
    const MAX_BYTES: usize = 255;
    if idempotency_key.is_empty() {
        return Err(Error::invalid_input("the idempotency key is empty"));
    }
    if idempotency_key.len() > MAX_BYTES {
        return Err(Error::too_large(
            "idempotency key",
            "bytes",
            MAX_BYTES,
            idempotency_key.len(),
        ));
    }
    let precondition = format!("{:?}", write.precondition);
    let id = match &write.action {
        WriteAction::Put {
            value,
            content_type,
            expiry,
        } => {
            let options = format!("{content_type:?} {expiry:?}");
            WriteId::derive([
                idempotency_key.as_bytes(),
                b"put",
                precondition.as_bytes(),
                options.as_bytes(),
                value,
            ])
        }
        WriteAction::Delete => WriteId::derive([
            idempotency_key.as_bytes(),
            b"delete",
            precondition.as_bytes(),
        ]),
    };
    Ok(write.with_write_id(id))
}
