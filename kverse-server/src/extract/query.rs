//! The query and the key in the path.

use std::borrow::Cow;

use actix_web::HttpRequest;
use kverse_core::Key;
use kverse_store::wire::{parse_path_key, parse_query};

use crate::error::Failure;

/// The values of these parameters of the query, decoded as forms do (`+` is a space).
///
/// # Errors
/// 422 for a parameter that is unknown or given twice, and for malformed escapes and UTF-8.
pub(crate) fn query<'a, const N: usize>(
    request: &'a HttpRequest,
    names: [&'static str; N],
) -> Result<[Option<Cow<'a, str>>; N], Failure> {
    Ok(parse_query(request.query_string().as_bytes(), names)?)
}

/// The key of the parameter `key`.
pub(crate) fn required_key(key: Option<Cow<'_, str>>) -> Result<Key, Failure> {
    let key = key.ok_or_else(|| Failure::invalid("the parameter `key` is missing"))?;
    Ok(Key::new(key)?)
}

/// The key that the rest of the path is, as it came: not normalised, percent-decoded once.
pub(crate) fn path_key(request: &HttpRequest) -> Result<Key, Failure> {
    // A path whose fixed part is escaped (`/k%76/a`) is another path.
    let path = request.uri().path().as_bytes();
    let key = path.strip_prefix(b"/kv/");
    let key = key.ok_or_else(Failure::route_not_found)?;
    Ok(parse_path_key(key)?)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_key_in_the_path_is_taken_as_it_came() {
        let key = |path: &str| {
            let request = TestRequest::with_uri(path).to_http_request();
            path_key(&request).map(|key| key.as_str().to_owned())
        };
        for (path, expected) in [
            ("/kv/a+b", "a+b"),
            ("/kv//a//b/", "/a//b/"),
            ("/kv/../x", "../x"),
            ("/kv/a%2Fb%252F%3F", "a/b%2F?"),
        ] {
            assert_eq!(key(path).unwrap(), expected);
        }
        assert!(key("/k%76/a").is_err());
        assert!(key("/kv/%zz").is_err());
        assert!(key("/kv/%C3").is_err());
    }
}
