//! Entity tags (RFC 9110, section 8.8.3).

use kverse_core::Version;

/// A tag as a client gives it: the version of a key, if it came from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    /// What is between the quotes.
    pub text: &'a str,
    /// Whether it is weak, as proxies make the tags of what they compress: it does not promise the same bytes.
    pub weak: bool,
}

impl EntityTag<'_> {
    /// Whether it is the tag of this version.
    pub fn is(&self, version: Version) -> bool {
        self.text.parse().is_ok_and(|tag: Version| tag == version)
    }
}

/// The version of one strong tag, `"17"`.
pub fn parse_version_tag(tag: &str) -> Option<Version> {
    let quoted = tag.strip_prefix('"')?.strip_suffix('"')?;
    quoted.parse().ok()
}

/// The tags of a list, such as `"17", W/"18"`; `None` for what is no list of tags, and for an empty one.
pub fn parse_entity_tags(text: &str) -> Option<Vec<EntityTag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        let tag = rest.trim_start();
        let (weak, tag) = match tag.strip_prefix("W/") {
            Some(tag) => (true, tag),
            None => (false, tag),
        };
        let (text, after) = tag.strip_prefix('"')?.split_once('"')?;
        tags.push(EntityTag { text, weak });
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
        let tag = |text, weak| EntityTag { text, weak };
        assert_eq!(parse_entity_tags(r#""1""#), Some(vec![tag("1", false)]));
        let three = vec![tag("1", false), tag("2", true), tag("a,b", false)];
        assert_eq!(parse_entity_tags(r#""1", W/"2" ,"a,b""#), Some(three));
        for bad in ["", "1", "\"1", r#""1","#, r#""1" "2""#, "w/\"1\"", "*"] {
            assert_eq!(parse_entity_tags(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_version_in_quotes_is_a_strong_tag() {
        assert_eq!(parse_version_tag(r#""17""#), Some(Version::new(17)));
        for bad in [
            "17",
            r#""""#,
            r#""x""#,
            r#"W/"17""#,
            r#""*""#,
            "\"",
            r#""1","2""#,
        ] {
            assert_eq!(parse_version_tag(bad), None, "{bad}");
        }
    }
}
