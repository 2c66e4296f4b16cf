//! What a line may be.

use std::sync::Arc;
use std::time::Duration;

use kverse_core::{KvStore, KvStoreExt, Limits, ManualClock, MemoryStore, SystemClock};
use kverse_store::transfer::{OnConflict, max_line_bytes};
use kverse_store::wire::ImportReport;

use crate::{import, pairs};

type Pairs = &'static [(&'static str, &'static str)];

/// Imports a text twice, as a whole and byte by byte, into stores whose values have 16 bytes at most.
async fn both(text: &[u8]) -> (ImportReport, MemoryStore) {
    let limits = Limits::default().with_max_value_bytes(16);
    let new = || MemoryStore::new(Arc::new(SystemClock), limits);
    let (whole, in_bytes) = (new(), new());
    let report = import(&whole, OnConflict::Overwrite, [text]).await;
    let other = import(&in_bytes, OnConflict::Overwrite, text.chunks(1)).await;
    // How much of a line that is too long has come when that is found out depends on the pieces.
    if report
        .error
        .as_ref()
        .is_none_or(|error| error.code != "too_large")
    {
        assert_eq!(report, other);
    }
    assert_eq!(report.imported, other.imported);
    assert_eq!(pairs(&whole).await, pairs(&in_bytes).await);
    (report, whole)
}

#[tokio::test]
async fn lines_that_are_accepted() {
    let cases: [(&str, &[u8], Pairs); 14] = [
        ("nothing", b"", &[]),
        ("empty lines", b"\n\r\n \t \n\n", &[]),
        (
            "a line without line break at the end",
            b"{\"key\":\"a\",\"value\":\"1\"}",
            &[("a", "1")],
        ),
        (
            "CR LF",
            b"{\"key\":\"a\",\"value\":\"1\"}\r\n{\"key\":\"b\",\"value\":\"2\"}\r\n",
            &[("a", "1"), ("b", "2")],
        ),
        (
            "a byte order mark",
            b"\xef\xbb\xbf{\"key\":\"a\",\"value\":\"1\"}\n",
            &[("a", "1")],
        ),
        ("only a byte order mark", b"\xef\xbb\xbf", &[]),
        (
            "empty lines between and spaces around",
            b"\n  {\"key\":\"a\",\"value\":\"1\"}  \n\n{\"key\":\"b\",\"value\":\"\"}\n\n",
            &[("a", "1"), ("b", "")],
        ),
        (
            "the same key twice: the last one counts",
            b"{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"a\",\"value\":\"2\"}\n",
            &[("a", "2")],
        ),
        (
            "Base64",
            b"{\"key\":\"a\",\"value_base64\":\"aGk=\"}\n",
            &[("a", "hi")],
        ),
        (
            "escapes",
            br#"{"key":"\u00e9\n","value":"\ud83d\ude00\u0000"}"#,
            &[("\u{e9}\n", "\u{1f600}\0")],
        ),
        (
            "null for what is not there",
            br#"{"key":"a","value":"1","value_base64":null,"content_type":null,"expires_at":null}"#,
            &[("a", "1")],
        ),
        (
            "a version, which is a new one, and a size that is right",
            br#"{"key":"a","value":"1","version":"7","size":1}"#,
            &[("a", "1")],
        ),
        (
            "a value of the largest size in the longest form",
            br#"{"key":"a","value":"\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061"}"#,
            &[("a", "aaaaaaaaaaaaaaaa")],
        ),
        (
            "an entry that has ended, and one that has not",
            b"{\"key\":\"a\",\"value\":\"1\",\"expires_at\":\"2001-01-01T00:00:00Z\"}\n\
              {\"key\":\"b\",\"value\":\"2\",\"expires_at\":\"9000-01-01T00:00:00Z\"}\n",
            &[("b", "2")],
        ),
    ];
    for (name, text, expected) in cases {
        let (report, store) = both(text).await;
        assert_eq!(report.error, None, "{name}");
        let pairs = pairs(&store).await;
        let expected: Vec<_> = expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(pairs, expected, "{name}");
        assert_eq!(report.expired, u64::from(name.contains("ended")), "{name}");
    }
}

#[tokio::test]
async fn what_a_line_says_is_stored() {
    let line = br#"{"key":"a","value":"1","content_type":"text/x; a=b","expires_at":"9000-01-01T00:00:00.000001Z","version":"7"}"#;
    let (_, store) = both(line).await;
    let entry = store.get(&"a".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(entry.content_type.unwrap().as_str(), "text/x; a=b");
    assert_eq!(
        entry.expires_at.unwrap().to_string(),
        "9000-01-01T00:00:00.000001Z"
    );
    assert!(entry.version.get() > 7);
}

#[tokio::test]
async fn whether_an_entry_has_ended_is_for_the_clock_of_the_store() {
    // It stands at the beginning of 2026, wherever that of this machine is.
    let clock = Arc::new(ManualClock::default());
    let store = MemoryStore::new(Arc::<ManualClock>::clone(&clock), Limits::default());
    let line = |end: &str| format!("{{\"key\":\"a\",\"value\":\"\",\"expires_at\":\"{end}\"}}");
    let live = line("2026-01-01T00:05:00Z");
    let ended = line("2026-01-01T00:00:00Z");
    let report = import(&store, OnConflict::Fail, [ended.as_bytes()]).await;
    assert_eq!((report.imported, report.expired), (0, 1));
    let report = import(&store, OnConflict::Fail, [live.as_bytes()]).await;
    assert_eq!((report.imported, report.expired), (1, 0));
    clock.advance(Duration::from_secs(300));
    let report = import(&store, OnConflict::Fail, [live.as_bytes()]).await;
    assert_eq!((report.imported, report.expired), (0, 1));
}

/// Each as the third line: the first and second are stored, the fourth is not.
#[tokio::test]
async fn lines_that_are_refused() {
    let cases: [(&str, &[u8], &str); 27] = [
        (
            "no JSON",
            b"key,value",
            "not JSON: expected value at byte 1",
        ),
        ("no object", b"[]", "invalid"),
        ("a text", b"\"a\"", "invalid type: string"),
        ("half a line", br#"{"key":"c","val"#, "not JSON"),
        (
            "two objects",
            br#"{"key":"c","value":"3"}{"key":"d","value":"4"}"#,
            "not JSON: trailing characters at byte 24",
        ),
        (
            "a comma at the end",
            br#"{"key":"c","value":"3"},"#,
            "trailing",
        ),
        ("a byte order mark inside", b"\xef\xbb\xbf{}", "not JSON"),
        (
            "not UTF-8",
            b"{\"key\":\"c\",\"value\":\"\xff\"}",
            "not UTF-8 at byte 21",
        ),
        ("UTF-16", b"{\0\"\0k\0", "not JSON"),
        (
            "half a surrogate pair",
            br#"{"key":"c","value":"\ud83d"}"#,
            "not JSON",
        ),
        ("no key", br#"{"value":"3"}"#, "missing field `key`"),
        (
            "an empty key",
            br#"{"key":"","value":"3"}"#,
            "the key is empty",
        ),
        ("NUL in the key", br#"{"key":"\u0000","value":"3"}"#, "NUL"),
        (
            "a number as key",
            br#"{"key":3,"value":"3"}"#,
            "invalid type: integer",
        ),
        (
            "the key twice",
            br#"{"key":"c","key":"c","value":"3"}"#,
            "duplicate field `key`",
        ),
        (
            "no value",
            br#"{"key":"c"}"#,
            "exactly one of `value` and `value_base64`",
        ),
        (
            "two values",
            br#"{"key":"c","value":"3","value_base64":""}"#,
            "exactly one of `value` and `value_base64`",
        ),
        (
            "a number as value",
            br#"{"key":"c","value":3}"#,
            "invalid type: integer",
        ),
        (
            "an object as value",
            br#"{"key":"c","value":{}}"#,
            "invalid type: map",
        ),
        (
            "no Base64",
            br#"{"key":"c","value_base64":"?"}"#,
            "not Base64",
        ),
        (
            "Base64 without padding",
            br#"{"key":"c","value_base64":"aA"}"#,
            "not Base64",
        ),
        (
            "an unknown field",
            br#"{"key":"c","value":"3","ttl":"1h"}"#,
            "unknown field `ttl`",
        ),
        (
            "another size",
            br#"{"key":"c","value":"3","size":2}"#,
            "the value has 1 bytes, its `size` is 2",
        ),
        (
            "no time",
            br#"{"key":"c","value":"3","expires_at":"soon"}"#,
            "`soon` is not a time",
        ),
        (
            "no content type",
            br#"{"key":"c","value":"3","content_type":"a\nb"}"#,
            "content type",
        ),
        (
            "no version",
            br#"{"key":"c","value":"3","version":"x"}"#,
            "not a version",
        ),
        (
            "a value over the limit",
            br#"{"key":"c","value":"12345678901234567"}"#,
            "the value has 17 bytes, the limit is 16",
        ),
    ];
    let before = b"{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"2\"}\n";
    for (name, line, expected) in cases {
        for rest in [&b""[..], b"\r\n{\"key\":\"d\",\"value\":\"4\"}\n"] {
            let (report, store) = both(&[before, line, rest].concat()).await;
            let error = report.error.unwrap();
            assert!(error.detail.contains(expected), "{name}: {}", error.detail);
            assert_eq!((error.line, error.unknown), (3, 0), "{name}");
            let code = if name.contains("limit") {
                "too_large"
            } else {
                "invalid_input"
            };
            assert_eq!(error.code, code, "{name}");
            assert_eq!((report.imported, report.skipped, report.expired), (2, 0, 0));
            assert_eq!(pairs(&store).await.len(), 2, "{name}");
        }
    }
}

#[tokio::test]
async fn a_line_over_the_limit_is_not_read_to_its_end() {
    let limits = MemoryStore::default().capabilities().limits;
    let limit = max_line_bytes(&limits);
    let store = MemoryStore::default();
    let first: &[u8] = b"{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"";
    let piece = vec![b'x'; 1 << 20];
    let mut taken = 0;
    let endless = std::iter::once(first).chain(std::iter::repeat_with(|| {
        taken += 1;
        &piece[..]
    }));
    let report = import(&store, OnConflict::Overwrite, endless).await;
    let error = report.error.unwrap();
    assert_eq!((error.line, error.code.as_str()), (2, "too_large"));
    assert!(
        error.detail.contains(&limit.to_string()),
        "{}",
        error.detail
    );
    assert_eq!(report.imported, 1);
    assert!(taken <= limit / piece.len() + 1, "{taken}");

    // In one piece, too, and with its end.
    let mut long = first.to_vec();
    long.resize(limit + 100, b' ');
    long.extend(b"\"}\n{\"key\":\"c\",\"value\":\"3\"}\n");
    let report = import(&store, OnConflict::Overwrite, [&long[..]]).await;
    assert_eq!(report.error.unwrap().line, 2);
    assert_eq!(pairs(&store).await.len(), 1);
}

#[tokio::test]
async fn the_largest_entry_fits_however_it_is_escaped() {
    let store = MemoryStore::default();
    let limits = store.capabilities().limits;
    let escaped = |bytes: usize| "\\u0001".repeat(bytes);
    let line = format!(
        "{{\"key\":\"{}\",\"value\":\"{}\",\"content_type\":\"{}\",\"version\":\"{}\",\"expires_at\":\"9000-01-01T00:00:00Z\"}}\r\n",
        escaped(limits.max_key_bytes),
        escaped(limits.max_value_bytes),
        "\\u0061".repeat(limits.max_content_type_bytes),
        u64::MAX,
    );
    let report = import(&store, OnConflict::Overwrite, [line.as_bytes()]).await;
    assert_eq!((report.imported, report.error), (1, None));
}
