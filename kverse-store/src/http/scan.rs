//! Pages of keys, and how many there are.

use kverse_core::{Count, Cursor, Delimiter, Key, Page, Prefix, Result, ScanEntry, ScanOptions};
use url::Url;

use super::error;
use crate::wire::{CountResponse, KeyResponse, KeysResponse};

/// What to ask for a page.
pub(super) fn page_url(mut url: Url, options: &ScanOptions) -> Url {
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("prefix", options.prefix.as_str());
        query.append_pair("limit", &options.limit.to_string());
        query.append_pair("max_bytes", &options.max_bytes.to_string());
        if let Some(delimiter) = &options.delimiter {
            query.append_pair("delimiter", delimiter.as_str());
        }
        if options.include_values {
            query.append_pair("include", "value");
        }
        if let Some(key) = &options.start_after {
            // Shorter, if it is the end of a folder.
            let cursor = Cursor::new(&options.prefix, options.delimiter.as_ref(), key.clone());
            query.append_pair("cursor", &cursor.to_string());
        }
    }
    url
}

/// The page that the server gave.
pub(super) fn page(options: &ScanOptions, response: KeysResponse) -> Result<Page> {
    let next = next(&options.prefix, options.delimiter.as_ref(), response.cursor)?;
    let entries = response.keys.into_iter().map(KeyResponse::into_entry);
    let entries: Result<Vec<ScanEntry>> = entries.collect();
    let entries = entries.map_err(error::malformed)?;
    Ok(Page::new(entries, response.common_prefixes, next))
}

/// What to ask for a count.
pub(super) fn count_url(mut url: Url, prefix: &Prefix, start_after: Option<&Key>) -> Url {
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("count", "true");
        query.append_pair("prefix", prefix.as_str());
        if let Some(key) = start_after {
            query.append_pair("start_after", key.as_str());
        }
    }
    url
}

/// The count that the server gave.
pub(super) fn count(prefix: &Prefix, response: CountResponse) -> Result<Count> {
    let next = next(prefix, None, response.cursor)?;
    Ok(Count::new(response.count, next))
}

fn next(
    prefix: &Prefix,
    delimiter: Option<&Delimiter>,
    cursor: Option<String>,
) -> Result<Option<Key>> {
    let start_after = |cursor: String| cursor.parse::<Cursor>()?.start_after(prefix, delimiter);
    cursor
        .map(start_after)
        .transpose()
        .map_err(error::malformed)
}

#[cfg(test)]
mod tests {
    use kverse_core::Version;

    use super::*;

    fn key(key: &str) -> Key {
        key.parse().unwrap()
    }

    fn keys(names: &[&str], cursor: Option<String>) -> KeysResponse {
        let entry = |name: &&str| ScanEntry::new(key(name), Version::new(1), 0).into();
        KeysResponse {
            keys: names.iter().map(entry).collect(),
            common_prefixes: Vec::new(),
            cursor,
        }
    }

    #[test]
    fn a_page_goes_on_where_the_cursor_says() {
        let prefix = Prefix::new("a").unwrap();
        let cursor = Cursor::new(&prefix, None, key("a2")).to_string();
        let options = ScanOptions::new(prefix);
        let found = page(&options, keys(&["a1", "a2"], Some(cursor))).unwrap();
        assert_eq!((found.entries.len(), found.next), (2, Some(key("a2"))));
        let last = page(&options, keys(&["a3"], None)).unwrap();
        assert_eq!(last.next, None);
    }
}
