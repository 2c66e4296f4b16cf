//! Conditional requests (RFC 9110, section 13) and the idempotency key.

use actix_web::http::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};
use kverse_core::{Precondition, Version, Write};
use kverse_store::wire::with_idempotency_key;

use super::single;
use crate::error::Failure;

const CODE: &str = "malformed_condition";
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The write with the precondition and the idempotency key of its request.
///
/// # Errors
/// 400 for conditions that a write cannot have; what is wrong with the idempotency key.
pub(crate) fn with_conditions(write: Write, headers: &HeaderMap) -> Result<Write, Failure> {
    let write = write.with_precondition(precondition(headers)?);
    match single(headers, &IDEMPOTENCY_KEY, "malformed_header")? {
        Some(key) => Ok(with_idempotency_key(write, key)?),
        None => Ok(write),
    }
}

/// `If-Match: "version"`, `If-Match: *` or `If-None-Match: *`.
fn precondition(headers: &HeaderMap) -> Result<Precondition, Failure> {
    refuse(
        headers,
        &[&IF_UNMODIFIED_SINCE, &IF_MODIFIED_SINCE, &IF_RANGE],
    )?;
    let if_match = single(headers, &IF_MATCH, CODE)?;
    let if_none_match = single(headers, &IF_NONE_MATCH, CODE)?;
    match (if_match, if_none_match) {
        (None, None) => Ok(Precondition::None),
        (Some("*"), None) => Ok(Precondition::Exists),
        (Some(tag), None) => version(tag).map(Precondition::Version).ok_or_else(|| {
            let detail = "`If-Match` takes `*` or one version in quotes, as `ETag` gave it";
            Failure::malformed(CODE, detail)
        }),
        (None, Some("*")) => Ok(Precondition::Absent),
        (None, Some(_)) => Err(Failure::malformed(
            CODE,
            "`If-None-Match` of a write takes only `*`",
        )),
        (Some(_), Some(_)) => Err(Failure::malformed(
            CODE,
            "a write takes one condition: `If-Match` or `If-None-Match`",
        )),
    }
}

/// The version of a strong entity tag.
fn version(tag: &str) -> Option<Version> {
    let quoted = tag.strip_prefix('"')?.strip_suffix('"')?;
    quoted.parse().ok()
}

/// Refuses every condition, where there is no single key that it could be about.
///
/// # Errors
/// 400, naming it.
pub(crate) fn refuse_conditions(headers: &HeaderMap) -> Result<(), Failure> {
    refuse(
        headers,
        &[
            &IF_MATCH,
            &IF_NONE_MATCH,
            &IF_UNMODIFIED_SINCE,
            &IF_MODIFIED_SINCE,
            &IF_RANGE,
        ],
    )
}

/// Refuses conditions that we cannot check.
fn refuse(headers: &HeaderMap, names: &[&HeaderName]) -> Result<(), Failure> {
    match names.iter().find(|name| headers.contains_key(**name)) {
        Some(name) => Err(Failure::malformed(
            CODE,
            format!("the condition `{name}` is not supported here"),
        )),
        None => Ok(()),
    }
}

/// `If-None-Match` of a read: which versions the client has already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadCondition<'a> {
    /// None.
    None,
    /// `*`: any.
    Any,
    /// These. Tags of others are among them if a client has mixed them up; they match nothing.
    Tags(Vec<&'a str>),
}

impl<'a> ReadCondition<'a> {
    /// The condition of a request. The times of `If-Modified-Since` and `If-Range` may be ignored by whoever gives out no
    /// times and no ranges; what else a read cannot check is refused.
    pub(crate) fn parse(headers: &'a HeaderMap) -> Result<Self, Failure> {
        refuse(headers, &[&IF_MATCH, &IF_UNMODIFIED_SINCE])?;
        let Some(text) = single(headers, &IF_NONE_MATCH, CODE)? else {
            return Ok(Self::None);
        };
        if text == "*" {
            return Ok(Self::Any);
        }
        tags(text).map(Self::Tags).ok_or_else(|| {
            Failure::malformed(
                CODE,
                "`If-None-Match` takes `*` or a list of versions in quotes",
            )
        })
    }

    /// Whether the client has this version already.
    pub(crate) fn matches(&self, version: Version) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Tags(tags) => tags
                .iter()
                .any(|tag| tag.parse().is_ok_and(|tag: Version| tag == version)),
        }
    }
}

/// What is in the quotes of a list of entity tags. Weak ones count: proxies weaken the tags of what they compress.
fn tags(text: &str) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        let tag = rest.trim_start();
        let tag = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?;
        let (tag, after) = tag.split_once('"')?;
        tags.push(tag);
        rest = match after.trim_start() {
            "" => return Some(tags),
            after => after.strip_prefix(',')?,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags() {
        assert_eq!(tags(r#""1""#), Some(vec!["1"]));
        assert_eq!(tags(r#""1", W/"2" ,"a,b""#), Some(vec!["1", "2", "a,b"]));
        for bad in ["", "1", "\"1", r#""1","#, r#""1" "2""#, "w/\"1\"", "*"] {
            assert_eq!(tags(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_version_in_quotes_is_a_strong_tag() {
        assert_eq!(version(r#""17""#), Some(Version::new(17)));
        for bad in [
            "17",
            r#""""#,
            r#""x""#,
            r#"W/"17""#,
            r#""*""#,
            "\"",
            r#""1","2""#,
        ] {
            assert_eq!(version(bad), None, "{bad}");
        }
    }
}
