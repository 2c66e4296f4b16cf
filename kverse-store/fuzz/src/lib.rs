//! What holds for the parsers of everything that clients send, whatever the bytes. The fuzzer looks for bytes for which it
//! does not; the tests of the workspace (`kverse-store/tests/corpus.rs`) try those that it has found interesting.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kverse_core::{ChangePosition, Cursor, Expiry, Key, Limits, MemoryStore, Precondition, Prefix};
use kverse_store::tokens::{BearerToken, Scope};
use kverse_store::transfer::{Export, Import, OnConflict};
use kverse_store::wire::{
    EntryLine, ImportReport, parse_duration, parse_entity_tags, parse_path_key, parse_precondition,
    parse_query, parse_ttl, parse_version_tag,
};

/// A key that is in a path is within the limits, and the same once it is encoded again.
pub fn path_key(data: &[u8]) {
    if let Ok(key) = parse_path_key(data) {
        assert_is_key(&key);
        let again = parse_path_key(escape(key.as_str()).as_bytes());
        assert_eq!(again.ok(), Some(key));
    }
}

/// Each pair of a query is a value, each value is there once, and the same once it is encoded again.
pub fn query(data: &[u8]) {
    const NAMES: [&str; 3] = ["key", "ttl", "a b"];
    let Ok(values) = parse_query(data, NAMES) else {
        return;
    };
    let pairs = data.split(|byte| *byte == b'&');
    let given = values.iter().flatten().count();
    assert_eq!(pairs.filter(|pair| !pair.is_empty()).count(), given);
    let again: Vec<String> = NAMES
        .iter()
        .zip(&values)
        .filter_map(|(name, value)| Some(format!("{}={}", escape(name), escape(value.as_ref()?))))
        .collect();
    let again = again.join("&");
    assert_eq!(parse_query(again.as_bytes(), NAMES).ok(), Some(values));
}

/// A cursor has a key, comes back from its text, and has no shorter one.
pub fn cursor(data: &[u8]) {
    for text in texts(data) {
        let Ok(cursor) = text.parse::<Cursor>() else {
            continue;
        };
        let printed = cursor.to_string();
        assert!(printed.len() <= text.len(), "{printed}");
        assert_eq!(printed.parse::<Cursor>().ok(), Some(cursor));
    }
    let (all, one) = (Prefix::default(), Prefix::new("a").unwrap());
    if let Some(key) = str::from_utf8(data)
        .ok()
        .and_then(|text| Key::new(text).ok())
    {
        let cursor = Cursor::new(&all, None, key.clone()).to_string();
        let cursor: Cursor = cursor.parse().unwrap();
        assert_eq!(cursor.start_after(&all, None).ok(), Some(key));
        assert!(cursor.start_after(&one, None).is_err());
    }
}

/// There is one text for each position.
pub fn change_position(data: &[u8]) {
    for text in texts(data) {
        if let Ok(position) = text.parse::<ChangePosition>() {
            assert_eq!(position.to_string(), text);
        }
    }
}

/// A time to live is within its bounds, and the same once it is printed.
pub fn ttl(data: &[u8]) {
    const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(expiry) = parse_ttl(text) else {
        assert!(parse_duration(text).is_err());
        return;
    };
    match expiry {
        Expiry::Never => assert_eq!(text, "none"),
        Expiry::Keep => assert_eq!(text, "keep"),
        Expiry::After(ttl) => {
            assert!(!ttl.is_zero() && ttl <= MAX, "{ttl:?}");
            assert_eq!(parse_duration(text).ok(), Some(ttl));
            let printed = humantime::format_duration(ttl).to_string();
            assert_eq!(parse_ttl(&printed).ok(), Some(expiry), "{printed}");
        }
        other => panic!("{other:?}"),
    }
}

/// A condition, from two lines, means what it says: none is ever ignored.
pub fn condition(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Some(tags) = parse_entity_tags(text) {
        let tag = |tag: &kverse_store::wire::EntityTag<'_>| {
            format!("{}\"{}\"", if tag.weak { "W/" } else { "" }, tag.text)
        };
        let printed: Vec<_> = tags.iter().map(tag).collect();
        assert_eq!(parse_entity_tags(&printed.join(",")), Some(tags));
    }
    if let Some(version) = parse_version_tag(text) {
        let tags = parse_entity_tags(text).unwrap();
        assert!(!tags[0].weak && tags.len() == 1 && tags[0].is(version));
    }
    let mut lines = text
        .splitn(2, '\n')
        .map(|line| (!line.is_empty()).then_some(line));
    let (if_match, if_none_match) = (lines.next().flatten(), lines.next().flatten());
    match parse_precondition(if_match, if_none_match) {
        Err(_) => assert!(if_match.is_some() || if_none_match.is_some()),
        Ok(Precondition::None) => assert_eq!((if_match, if_none_match), (None, None)),
        Ok(Precondition::Exists) => assert_eq!((if_match, if_none_match), (Some("*"), None)),
        Ok(Precondition::Absent) => assert_eq!((if_match, if_none_match), (None, Some("*"))),
        Ok(precondition @ Precondition::Version(version)) => {
            assert_eq!(if_none_match, None);
            let printed = version.to_string();
            let again = parse_precondition(Some(&printed), None);
            assert_eq!(again.ok(), Some(precondition));
        }
    }
}

/// What is taken for a token is found in a URL, and its secret is not shown.
pub fn token(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(token) = text.parse::<BearerToken>() {
        assert_eq!(token.expose(), text);
        assert!(BearerToken::is_in(text) && BearerToken::is_in(&format!("/kv?key={text}&a=b")));
        assert_eq!(format!("{token:?}"), format!("kv_{}_***", token.id()));
    }
}

/// A scope is the same once it is printed, as text and as JSON.
pub fn scope(data: &[u8]) {
    let text = str::from_utf8(data).ok();
    let of_text = text.and_then(|text| text.parse::<Scope>().ok());
    let of_json = serde_json::from_slice::<Scope>(data).ok();
    for scope in of_text.into_iter().chain(of_json) {
        assert_eq!(scope.to_string().parse::<Scope>().ok(), Some(scope.clone()));
        let json = serde_json::to_vec(&scope).unwrap();
        assert_eq!(serde_json::from_slice::<Scope>(&json).unwrap(), scope);
    }
}

/// A line is the same once it is written, and has a key within the limits.
pub fn import_line(data: &[u8]) {
    let Ok(line) = EntryLine::parse(data) else {
        return;
    };
    assert_is_key(&line.key);
    let written = serde_json::to_vec(&line).unwrap();
    assert_eq!(EntryLine::parse(&written).ok(), Some(line.clone()));
    if let Ok(write) = line.clone().into_write() {
        assert_eq!(write.key, line.key);
        assert!(line.value.is_some() != line.value_base64.is_some());
    }
}

/// An import does the same in pieces of any size, and an export of what it stored can be imported.
pub fn import(data: &[u8]) {
    let Some((size, lines)) = data.split_first() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let (report, exported) = imported(lines.chunks(usize::from(*size).max(1))).await;
        let whole = imported(std::iter::once(lines)).await;
        assert_eq!((&report, &exported), (&whole.0, &whole.1));
        let (again, twice) = imported(std::iter::once(exported.as_slice())).await;
        assert_eq!((again.error, twice), (None, exported));
    });
}

/// What an import of these pieces into an empty store reports, and the export of the store but for its versions.
async fn imported<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (ImportReport, Vec<u8>) {
    let store = MemoryStore::default();
    let mut import = Import::new(Limits::default(), OnConflict::Overwrite);
    let mut result = Ok(());
    for piece in pieces {
        result = import.push(&store, piece).await;
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        result = import.finish(&store).await;
    }
    let report = import.report().clone();
    assert_eq!(result.is_err(), report.error.is_some());
    let mut export = Export::new(Prefix::default());
    let mut lines = Vec::new();
    while let Some(chunk) = export.next(&store).await.unwrap() {
        for line in chunk.lines.split(|byte| *byte == b'\n') {
            if !line.is_empty() {
                let mut line = EntryLine::parse(line).unwrap();
                line.version = None;
                serde_json::to_writer(&mut lines, &line).unwrap();
                lines.push(b'\n');
            }
        }
    }
    (report, lines)
}

fn assert_is_key(key: &Key) {
    let bytes = key.as_str().as_bytes();
    assert!((1..=Key::MAX_BYTES).contains(&bytes.len()), "{key}");
    assert!(!bytes.contains(&0), "{key}");
}

/// Every byte as an escape.
fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The text that the bytes are, and the one that they are once they are encoded as our opaque texts are.
fn texts(data: &[u8]) -> impl Iterator<Item = String> {
    let text = str::from_utf8(data).ok().map(str::to_owned);
    text.into_iter().chain([URL_SAFE_NO_PAD.encode(data)])
}
