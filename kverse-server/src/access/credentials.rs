//! The token that a request shows (RFC 6750, section 2.1), and where it must not be.

use std::borrow::Cow;

use actix_web::http::Uri;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use kverse_store::tokens::BearerToken;
use percent_encoding::percent_decode_str;

use crate::error::Failure;

/// Parameters by which tokens are mistakenly given.
const NAMES: [&str; 4] = ["token", "access_token", "authorization", "bearer_token"];
const SHORTEST_NAME: usize = "token".len();

/// The token of the header `Authorization`.
///
/// # Errors
/// 401 if there is none, or one that cannot be valid; 400 if there are several.
pub(super) fn bearer(headers: &HeaderMap) -> Result<BearerToken, Failure> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next().ok_or_else(Failure::no_token)?;
    if values.next().is_some() {
        return Err(Failure::bad_credentials(
            "malformed_credentials",
            "the header `authorization` is given more than once",
        ));
    }
    let value = value.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Failure::no_token());
    }
    token
        .trim_matches(' ')
        .parse()
        .map_err(|_malformed: kverse_core::Error| Failure::invalid_token())
}

/// Refuses a token in the URL, which would end up in the logs of proxies and in the history of browsers.
///
/// # Errors
/// 400.
pub(crate) fn refuse_in_url(uri: &Uri) -> Result<(), Failure> {
    // Each name by itself: `%26` in a value begins no parameter. Nothing is decoded that is too short, as most is.
    let is_name = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        name.len() >= SHORTEST_NAME
            && NAMES
                .iter()
                .any(|known| known.eq_ignore_ascii_case(&decoded(name)))
    };
    let query = uri.query().unwrap_or_default();
    let has_token =
        |text: &str| text.len() >= BearerToken::MIN_BYTES && BearerToken::is_in(&decoded(text));
    if query.split('&').any(is_name) || has_token(query) || has_token(uri.path()) {
        return Err(Failure::bad_credentials(
            "token_in_url",
            "a token does not belong in a URL, which is logged in many places: send it as `Authorization: Bearer TOKEN`, \
             and revoke one that was sent like this",
        ));
    }
    Ok(())
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_tokens_are_refused() {
        let secret = "0123456789012345678901234567890123456789";
        for uri in [
            "/kv?key=a&token=x".to_owned(),
            "/kv?Access_Token=".to_owned(),
            format!("/kv?key=kv_abc_{secret}"),
            format!("/kv/kv_abc_{secret}"),
            format!("/kv?kv_a_{}", &secret[..BearerToken::MIN_SECRET_BYTES]),
            "/kv?token".to_owned(),
            format!("/kv/kv%5Fabc%5f{secret}"),
            "/kv?key=a&%74oken=x".to_owned(),
        ] {
            assert!(refuse_in_url(&uri.parse().unwrap()).is_err(), "{uri}");
        }
        for uri in [
            "/",
            "/kv?key=token",
            "/kv?key=kv_settings&ttl=1s",
            "/kv?key=a%26token=x",
            "/kv/kv_a_b",
        ] {
            assert!(refuse_in_url(&uri.parse().unwrap()).is_ok(), "{uri}");
        }
    }
}
