//! The language of the database's messages.

use diesel_async::RunQueryDsl;

use super::error::PostgresError;
use super::pool::Connections;
use super::statements::ReadLanguage;

/// Tells the operator if errors come in a language in which they are not understood: no connection could change that.
pub(super) async fn check(connections: &Connections) -> Result<(), PostgresError> {
    let mut lease = connections.lease().await?;
    let read = ReadLanguage::new().get_result::<(String, String)>(&mut lease);
    let (language, user) = connections.answer(read).await?;
    lease.keep();
    if !is_english(&language) {
        tracing::warn!(
            lc_messages = language,
            "the database's errors are not in English: a time-out or a full disk is reported as an internal error, unless a \
             superuser runs ALTER ROLE {user} SET lc_messages = 'C'"
        );
    }
    Ok(())
}

/// Without any setting it is the environment of the server that decides, mostly for none.
fn is_english(language: &str) -> bool {
    let language = language.to_ascii_lowercase();
    ["c", "posix", ""].contains(&&*language)
        || ["c.", "en"].iter().any(|start| language.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_has_many_names() {
        for name in [
            "",
            "C",
            "POSIX",
            "C.UTF-8",
            "en_US.UTF-8",
            "English_United States.1252",
        ] {
            assert!(is_english(name), "{name}");
        }
        for name in ["de_DE.UTF-8", "pt_BR", "cs_CZ.UTF-8"] {
            assert!(!is_english(name), "{name}");
        }
    }
}
