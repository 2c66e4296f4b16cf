//! Conditional requests (RFC 9110, section 13) and the idempotency key.

use actix_web::http::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};
use kverse_core::{Precondition, Version, Write};
use kverse_store::wire::{EntityTag, parse_entity_tags, parse_version_tag};

use super::{RequestIdentity, single};
use crate::error::Failure;

const CODE: &str = "malformed_condition";

/// The write with the precondition and the identity of its request.
///
/// # Errors
/// 400 for conditions that a write cannot have; what is wrong with the idempotency key.
pub(crate) fn with_conditions(write: Write, headers: &HeaderMap) -> Result<Write, Failure> {
    let write = write.with_precondition(precondition(headers)?);
    RequestIdentity::parse(headers)?.identify(write)
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
        (Some(tag), None) => parse_version_tag(tag)
            .map(Precondition::Version)
            .ok_or_else(|| {
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

/// The conditions of a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadCondition<'a> {
    /// `If-Match`: which versions the client wants.
    wanted: Option<Versions<'a>>,
    /// `If-None-Match`: which versions the client has already.
    known: Option<Versions<'a>>,
}

/// Versions as a header names them.
#[derive(Debug, PartialEq, Eq)]
enum Versions<'a> {
    /// `*`: any.
    Any,
    /// These. Tags of others are among them if a client has mixed them up; they match nothing.
    Tags(Vec<EntityTag<'a>>),
}

/// What a conditional read answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The entry.
    Found,
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client wants.
    Failed,
}

impl<'a> ReadCondition<'a> {
    /// The conditions of a request. Those that are about times may be ignored by whoever gives out no times, and
    /// `If-Range` by whoever gives out no ranges.
    pub(crate) fn parse(headers: &'a HeaderMap) -> Result<Self, Failure> {
        Ok(Self {
            wanted: Versions::parse(headers, &IF_MATCH)?,
            known: Versions::parse(headers, &IF_NONE_MATCH)?,
        })
    }

    /// What to answer if the key has this version.
    pub(crate) fn judge(&self, version: Version) -> Verdict {
        // Who wants exactly this version means all its bytes: a weak tag does not promise that.
        let is = |versions: &Versions<'_>, weak| versions.has(version, weak);
        match (&self.wanted, &self.known) {
            (Some(wanted), _) if !is(wanted, false) => Verdict::Failed,
            (_, Some(known)) if is(known, true) => Verdict::NotModified,
            _ => Verdict::Found,
        }
    }
}

impl<'a> Versions<'a> {
    fn parse(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Self>, Failure> {
        let Some(text) = single(headers, name, CODE)? else {
            return Ok(None);
        };
        if text == "*" {
            return Ok(Some(Self::Any));
        }
        let tags = parse_entity_tags(text).ok_or_else(|| {
            let detail = format!("`{name}` of a read takes `*` or a list of versions in quotes");
            Failure::malformed(CODE, detail)
        })?;
        Ok(Some(Self::Tags(tags)))
    }

    fn has(&self, version: Version, weak: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags
                .iter()
                .any(|tag| (weak || !tag.weak) && tag.is(version)),
        }
    }
}
