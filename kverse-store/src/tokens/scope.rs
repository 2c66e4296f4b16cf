use std::fmt;
use std::str::FromStr;

use kverse_core::{Error, Key, Prefix, Result};
use serde::{Deserialize, Serialize};

use super::Verb;

/// What something is to be done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target<'a> {
    /// One key.
    Key(&'a Key),
    /// All keys that begin with this.
    Prefix(&'a Prefix),
    /// The service as a whole.
    Service,
}

impl<'a> From<&'a Key> for Target<'a> {
    fn from(key: &'a Key) -> Self {
        Self::Key(key)
    }
}

impl<'a> From<&'a Prefix> for Target<'a> {
    fn from(prefix: &'a Prefix) -> Self {
        Self::Prefix(prefix)
    }
}

/// Verbs that are granted for the keys of a prefix. As text `VERB,VERB:PREFIX`, for example `read,list:users/`; with an
/// empty prefix, `read:`, for all keys. The verbs that are about the whole service stand alone: `admin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Scope {
    verbs: Vec<Verb>,
    prefix: Prefix,
}

impl Scope {
    /// These verbs for the keys of this prefix.
    ///
    /// # Errors
    /// `InvalidInput` for no verbs, and for a verb about the whole service with a prefix.
    pub fn new(verbs: impl IntoIterator<Item = Verb>, prefix: Prefix) -> Result<Self> {
        let mut verbs: Vec<Verb> = verbs.into_iter().collect();
        verbs.sort_unstable();
        verbs.dedup();
        if verbs.is_empty() {
            return Err(Error::invalid_input("a scope has at least one verb"));
        }
        let of_service = verbs.iter().find(|verb| verb.is_about_the_service());
        if let Some(verb) = of_service
            && !prefix.as_str().is_empty()
        {
            return Err(Error::invalid_input(format!(
                "`{verb}` is about the whole service: no prefix narrows it"
            )));
        }
        Ok(Self { verbs, prefix })
    }

    /// Everything.
    pub fn everything() -> Self {
        Self {
            verbs: Verb::ALL.to_vec(),
            prefix: Prefix::default(),
        }
    }

    /// The verbs, in their order, each once.
    pub fn verbs(&self) -> &[Verb] {
        &self.verbs
    }

    /// The prefix of the keys.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Whether this may be done with all of the target.
    pub fn grants(&self, verb: Verb, target: Target<'_>) -> bool {
        self.verbs.contains(&verb)
            && match target {
                Target::Key(key) => self.prefix.matches(key),
                Target::Prefix(prefix) => prefix.as_str().starts_with(self.prefix.as_str()),
                Target::Service => self.prefix.as_str().is_empty(),
            }
    }
}

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(
        description = "Verbs that are granted for the keys of a prefix. `monitor` and `admin` have no prefix."
    )
)]
struct Fields {
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    verbs: Vec<Verb>,
    #[serde(default)]
    prefix: Prefix,
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Scope {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        Fields::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Scope {
    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        Fields::schemas(schemas);
    }
}

impl TryFrom<Fields> for Scope {
    type Error = Error;

    fn try_from(fields: Fields) -> Result<Self> {
        Self::new(fields.verbs, fields.prefix)
    }
}

impl From<Scope> for Fields {
    fn from(scope: Scope) -> Self {
        Self {
            verbs: scope.verbs,
            prefix: scope.prefix,
        }
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (verbs, prefix) = match text.split_once(':') {
            Some((verbs, prefix)) => (verbs, Some(prefix)),
            None => (text, None),
        };
        let verbs: Vec<Verb> = verbs.split(',').map(str::parse).collect::<Result<_>>()?;
        // Not to be left away by mistake.
        if prefix.is_none() && !verbs.iter().all(|verb| verb.is_about_the_service()) {
            return Err(Error::invalid_input(format!(
                "`{text}` does not say for which keys: write `{text}:PREFIX`, or `{text}:` for all keys"
            )));
        }
        Self::new(verbs, Prefix::new(prefix.unwrap_or_default())?)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs: Vec<_> = self.verbs.iter().map(|verb| verb.name()).collect();
        f.write_str(&verbs.join(","))?;
        if self.verbs.iter().all(|verb| verb.is_about_the_service()) {
            return Ok(());
        }
        write!(f, ":{}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn text_and_json_are_read_back() {
        for text in [
            "read:",
            "admin",
            "monitor,admin",
            "read,list:a:b/",
            "write,admin:",
        ] {
            assert_eq!(scope(text).to_string(), text);
            let json = serde_json::to_string(&scope(text)).unwrap();
            assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), scope(text));
        }
        assert_eq!(
            scope("list,read,list:a").verbs(),
            [Verb::Read, Verb::List],
            "in order, each once"
        );
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        for (text, expected) in [
            ("read", "for which keys"),
            ("", "unknown verb ``"),
            ("fly:", "unknown verb `fly`; known: read, write"),
            ("admin:a/", "whole service"),
            ("read,monitor:a/", "whole service"),
        ] {
            let error = text.parse::<Scope>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for json in [r#"{"verbs":[]}"#, r#"{"verbs":["read"],"prefx":"a"}"#] {
            assert!(serde_json::from_str::<Scope>(json).is_err(), "{json}");
        }
    }

    proptest! {
        /// A list of a prefix that is granted has no key that is not.
        #[test]
        fn what_is_granted_for_a_prefix_is_granted_for_its_keys(
            granted in "[ab/]{0,3}", asked in "[ab/]{0,3}", tail in "[ab/]{1,3}",
        ) {
            let scope = Scope::new([Verb::List], Prefix::new(granted).unwrap()).unwrap();
            let asked = Prefix::new(asked).unwrap();
            let key = Key::new(format!("{asked}{tail}")).unwrap();
            if scope.grants(Verb::List, Target::Prefix(&asked)) {
                prop_assert!(scope.grants(Verb::List, Target::Key(&key)));
            }
            prop_assert!(!scope.grants(Verb::Read, Target::Key(&key)));
        }
    }
}
