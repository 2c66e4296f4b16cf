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
