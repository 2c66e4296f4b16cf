//! The query and the key in the path.

use std::borrow::Cow;

use actix_web::HttpRequest;
use kverse_core::Key;

use crate::error::Failure;

/// The values of these parameters of the query, decoded as forms do (`+` is a space).
///
/// # Errors
/// 422 for a parameter that is unknown or given twice, and for malformed escapes and UTF-8.
pub(crate) fn query<'a, const N: usize>(
    request: &'a HttpRequest,
    names: [&'static str; N],
) -> Result<[Option<Cow<'a, str>>; N], Failure> {
    let mut values = [const { None }; N];
    for pair in request
        .query_string()
        .as_bytes()
        .split(|&byte| byte == b'&')
    {
        if pair.is_empty() {
            continue;
        }
        let mut parts = pair.splitn(2, |&byte| byte == b'=');
        let name = decode(parts.next().unwrap_or_default(), true, "the query")?;
        let Some(index) = names.iter().position(|known| *known == name) else {
            let known = if N == 0 {
                "none".to_owned()
            } else {
                format!("`{}`", names.join("`, `"))
            };
            return Err(Failure::invalid(format!(
                "unknown parameter `{name}` in the query; known here: {known}"
            )));
        };
        let value = decode(parts.next().unwrap_or_default(), true, names[index])?;
        if values[index].replace(value).is_some() {
            return Err(Failure::invalid(format!(
                "the parameter `{name}` is given more than once"
            )));
        }
    }
    Ok(values)
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
    Ok(Key::new(decode(key, false, "the path")?)?)
}

/// Decodes percent escapes, strictly.
fn decode<'a>(text: &'a [u8], plus_is_space: bool, what: &str) -> Result<Cow<'a, str>, Failure> {
    let not_utf8 = || Failure::invalid(format!("{what} is not UTF-8"));
    let encoded = |byte: &u8| *byte == b'%' || (plus_is_space && *byte == b'+');
    if !text.iter().any(encoded) {
        return match std::str::from_utf8(text) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => Err(not_utf8()),
        };
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(match byte {
            b'+' if plus_is_space => b' ',
            b'%' => match (hex(rest.next()), hex(rest.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => {
                    return Err(Failure::invalid(format!(
                        "{what} has a `%` that is not followed by two hexadecimal digits"
                    )));
                }
            },
            byte => byte,
        });
    }
    match String::from_utf8(decoded) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(_) => Err(not_utf8()),
    }
}

/// The value of a hexadecimal digit.
fn hex(digit: Option<&u8>) -> Option<u8> {
    let digit = char::from(*digit?).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn parse(query_string: &str) -> Result<[Option<String>; 2], String> {
        let request = TestRequest::with_uri(&format!("/?{query_string}")).to_http_request();
        query(&request, ["a", "b"])
            .map(|values| values.map(|value| value.map(Cow::into_owned)))
            .map_err(|failure| failure.to_string())
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn decodes_once() {
        assert_eq!(parse(""), Ok([None, None]));
        assert_eq!(parse("a=1&&b="), Ok([text("1"), text("")]));
        assert_eq!(parse("b=%2541+x%2B"), Ok([None, text("%41 x+")]));
        assert_eq!(parse("%61=%C3%A9=&b"), Ok([text("é="), text("")]));
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for (query_string, expected) in [
            ("c=1", "unknown parameter `c`"),
            ("a=1&a=1", "more than once"),
            ("a=1&%61=1", "more than once"),
            ("a=%", "two hexadecimal digits"),
            ("a=%4", "two hexadecimal digits"),
            ("a=%+1", "two hexadecimal digits"),
            ("a=%FF", "a is not UTF-8"),
        ] {
            let message = parse(query_string).unwrap_err();
            assert!(message.contains(expected), "{query_string}: {message}");
        }
    }

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
