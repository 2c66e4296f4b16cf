//! Values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kverse_core::{Error, Result};

/// The JSON form of a value: `value` or `value_base64`.
pub fn encode_value(value: &Bytes) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(value) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(value))),
    }
}

/// The same for a request: Base64 also for text with control characters, which take six bytes each in JSON and would be
/// counted so against the longest body that a server reads.
pub(super) fn encode_value_compact(value: &Bytes) -> (Option<String>, Option<String>) {
    let is_long = |byte: &u8| *byte < b' ' && !b"\x08\t\n\x0c\r".contains(byte);
    if value.iter().any(is_long) {
        return (None, Some(STANDARD.encode(value)));
    }
    encode_value(value)
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
