//! Conditions, times to live and idempotency keys of a write.

use std::time::Duration;

use kverse_core::{Error, Expiry, Precondition, Result, Timestamp, Write, WriteAction, WriteId};

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

/// What [`parse_ttl`] reads, as a schema. Not all that matches the pattern is a time to live: it does not know the units.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[schema(
    value_type = String,
    format = "kverse-ttl",
    pattern = r"^(none|keep|[0-9]+|([0-9]+(\.[0-9]+)? *[a-zA-Zµ]+ *)+)$",
    description = "How long an entry lives: seconds, a duration with units (`90s`, `1h30m`, `250ms`), `none` for ever, or \
        `keep` for as long as the entry that it replaces. More than 0, at most 100 years.",
    examples("1h30m"),
)]
#[expect(dead_code, reason = "described, never constructed")]
pub struct Ttl(String);

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

pub(super) fn parse_expiry(ttl: Option<&str>, expires_at: Option<Timestamp>) -> Result<Expiry> {
    match (ttl, expires_at) {
        (None, None) => Ok(Expiry::Never),
        (Some(ttl), None) => parse_ttl(ttl),
        (None, Some(at)) => Ok(Expiry::At(at)),
        (Some(_), Some(_)) => Err(Error::invalid_input(
            "`ttl` and `expires_at` exclude each other",
        )),
    }
}

/// Refuses what is no idempotency key.
///
/// # Errors
/// `InvalidInput` for an empty key, `TooLarge` for one over 255 bytes.
pub fn check_idempotency_key(idempotency_key: &str) -> Result<()> {
    const MAX_BYTES: usize = 255;
    match idempotency_key.len() {
        0 => Err(Error::invalid_input("the idempotency key is empty")),
        bytes if bytes > MAX_BYTES => Err(Error::too_large(
            "idempotency key",
            "bytes",
            MAX_BYTES,
            bytes,
        )),
        _ => Ok(()),
    }
}

/// The write with the id that follows from its client's idempotency key and what it does: the same key with another
/// request is another write.
///
/// # Errors
/// As [`check_idempotency_key`].
pub fn with_idempotency_key(write: Write, idempotency_key: &str) -> Result<Write> {
    check_idempotency_key(idempotency_key)?;
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
        WriteAction::Touch { expiry } => WriteId::derive([
            idempotency_key.as_bytes(),
            b"touch",
            precondition.as_bytes(),
            format!("{expiry:?}").as_bytes(),
        ]),
        WriteAction::Delete => WriteId::derive([
            idempotency_key.as_bytes(),
            b"delete",
            precondition.as_bytes(),
        ]),
    };
    Ok(write.with_write_id(id))
}
