//! What is percent-encoded in a URL, decoded strictly and once.

use std::borrow::Cow;

use kverse_core::{Error, Key, Result};

/// The values of these parameters of a query, decoded as forms do (`+` is a space).
///
/// ```
/// use kverse_store::wire::parse_query;
///
/// let [key, ttl] = parse_query(b"key=a%2Fb+c", ["key", "ttl"])?;
/// assert_eq!((key.as_deref(), ttl), (Some("a/b c"), None));
/// # Ok::<(), kverse_core::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` for a parameter that is unknown or given twice, and for malformed escapes and UTF-8.
pub fn parse_query<'a, const N: usize>(
    query: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<Cow<'a, str>>; N]> {
    let mut values = [const { None }; N];
    for pair in query.split(|&byte| byte == b'&') {
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
            return Err(Error::invalid_input(format!(
                "unknown parameter `{name}` in the query; known here: {known}"
            )));
        };
        let value = decode(parts.next().unwrap_or_default(), true, names[index])?;
        if values[index].replace(value).is_some() {
            return Err(Error::invalid_input(format!(
                "the parameter `{name}` is given more than once"
            )));
        }
    }
    Ok(values)
}

/// The key that the rest of a path is, as it came: not normalised, percent-decoded once.
///
/// # Errors
/// `InvalidInput` for malformed escapes and UTF-8; as [`Key::new`].
pub fn parse_path_key(path: &[u8]) -> Result<Key> {
    Key::new(decode(path, false, "the path")?)
}

/// Decodes percent escapes, strictly.
fn decode<'a>(text: &'a [u8], plus_is_space: bool, what: &str) -> Result<Cow<'a, str>> {
    let not_utf8 = || Error::invalid_input(format!("{what} is not UTF-8"));
    let encoded = |byte: &u8| *byte == b'%' || (plus_is_space && *byte == b'+');
    if !text.iter().any(encoded) {
        return match std::str::from_utf8(text) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => Err(not_utf8().with_source(error)),
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
                    return Err(Error::invalid_input(format!(
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
    use super::*;

    fn parse(query: &str) -> Result<[Option<String>; 2], String> {
        parse_query(query.as_bytes(), ["a", "b"])
            .map(|values| values.map(|value| value.map(Cow::into_owned)))
            .map_err(|error| error.to_string())
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
        for (query, expected) in [
            ("c=1", "unknown parameter `c`"),
            ("a=1&a=1", "more than once"),
            ("a=1&%61=1", "more than once"),
            ("a=%", "two hexadecimal digits"),
            ("a=%4", "two hexadecimal digits"),
            ("a=%+1", "two hexadecimal digits"),
            ("a=%FF", "a is not UTF-8"),
        ] {
            let message = parse(query).unwrap_err();
            assert!(message.contains(expected), "{query}: {message}");
        }
    }
}
