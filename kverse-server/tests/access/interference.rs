//! What lies outside a grant cannot be seen or changed, by no request of any kind: two services that differ only there
//! give the same answers, byte for byte.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use kverse_core::{Key, KvStore, KvStoreExt, ManualClock, Prefix, ScanOptions};
use kverse_store::Opened;
use kverse_store::tokens::{NewToken, Scope, Target, Token, TokenStore, Verb};
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::common::{Server, memory};

/// The keys that may exist, and prefixes of them.
const KEYS: [&str; 8] = ["a", "a/", "a/k1", "a/b/k2", "ab", "b/k3", "b/", "c"];
const PREFIXES: [&str; 9] = ["", "a", "a/", "a/b/", "a/k1", "b", "b/", "c", "é"];

/// A request, without its token.
#[derive(Clone, Debug)]
struct Request {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Request {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    fn with(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.headers.push(("Content-Type", content_type.to_owned()));
        self.body = body.into();
        self
    }

    fn json(self, body: &Value) -> Self {
        self.with("application/json", body.to_string())
    }
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&KEYS[..])
}

fn prefix() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&PREFIXES[..])
}

fn condition() -> impl Strategy<Value = Option<(&'static str, String)>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(("If-Match", "*".to_owned()))),
        1 => Just(Some(("If-None-Match", "*".to_owned()))),
        1 => Just(Some(("If-Match", "\"1767225600000000\"".to_owned()))),
        1 => Just(Some(("Idempotency-Key", "again".to_owned()))),
    ]
}

fn operation() -> impl Strategy<Value = Value> {
    let condition = prop_oneof![
        3 => Just(None),
        1 => Just(Some("if_match")),
        1 => Just(Some("if_none_match")),
    ];
    (0..4, key(), condition).prop_map(|(kind, key, condition)| {
        let mut operation = match kind {
            0 => json!({"op": "get", "key": key}),
            1 => json!({"op": "put", "key": key, "value": "written"}),
            2 => json!({"op": "touch", "key": key, "ttl": "90s"}),
            _ => json!({"op": "delete", "key": key}),
        };
        if let Some(condition) = condition {
            operation[condition] = json!("*");
        }
        operation
    })
}

/// Of one key, in each of its forms.
fn of_a_key() -> impl Strategy<Value = Request> {
    let methods = vec![
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::POST,
        Method::PATCH,
    ];
    (prop::sample::select(methods), key(), 0..3, condition()).prop_map(
        |(method, key, form, condition)| {
            let is_put = method == Method::PUT;
            let mut request = match form {
                0 if method == Method::PATCH => Request::new(method, format!("/kv/{key}?ttl=90s")),
                0 => Request::new(method, format!("/kv/{key}")),
                1 if is_put => Request::new(method, "/kv"),
                2 if method == Method::PATCH => {
                    Request::new(method, format!("/kv?key={key}&ttl=90s"))
                }
                _ => Request::new(method, format!("/kv?key={key}")),
            };
            match (is_put, form) {
                (true, 1) => request = request.json(&json!({"key": key, "value": "written"})),
                (true, _) => request = request.with("text/plain", "written"),
                (false, 2) => request
                    .headers
                    .push(("Accept", "application/octet-stream".to_owned())),
                _ => {}
            }
            request.headers.extend(condition);
            request
        },
    )
}

/// Of many keys.
fn of_many() -> impl Strategy<Value = Request> {
    let operations = prop::collection::vec(operation(), 1..5);
    let list = (prefix(), prop::option::of(key()), 1..4, any::<bool>());
    prop_oneof![
        list.prop_map(|(prefix, after, limit, values)| {
            let after = after.map_or_else(String::new, |key| format!("&start_after={key}"));
            let values = if values { "&include=value" } else { "" };
            let path = format!("/keys?prefix={prefix}&limit={limit}{after}{values}");
            Request::new(Method::GET, path)
        }),
        prefix().prop_map(|p| Request::new(Method::GET, format!("/keys?prefix={p}&delimiter=/"))),
        prefix().prop_map(|p| Request::new(Method::GET, format!("/keys?prefix={p}&count=true"))),
        prefix().prop_map(|p| {
            let confirm = if p.is_empty() { "*" } else { p };
            let path = format!("/keys?prefix={p}&confirm={confirm}");
            Request::new(Method::DELETE, path)
        }),
        prefix().prop_map(|p| Request::new(Method::GET, format!("/export?prefix={p}"))),
        (key(), key()).prop_map(|(one, other)| {
            let line = |key| json!({"key": key, "value": "written"});
            let lines = format!("{}\n{}\n", line(one), line(other));
            Request::new(Method::POST, "/import").with("application/x-ndjson", lines)
        }),
        (operations, any::<bool>()).prop_map(|(operations, together)| {
            let path = if together { "/transaction" } else { "/batch" };
            Request::new(Method::POST, path).json(&json!({"operations": operations}))
        }),
    ]
}

/// Of the service.
fn of_the_service() -> impl Strategy<Value = Request> {
    let paths = vec![
        "/stats",
        "/stats/history",
        "/metrics",
        "/limits",
        "/tokens",
        "/tokens/self",
        "/nowhere",
        "/",
    ];
    prop_oneof![
        prop::sample::select(paths).prop_map(|path| Request::new(Method::GET, path)),
        Just(
            Request::new(Method::POST, "/tokens")
                .json(&json!({"name": "mine", "scopes": [{"verbs": ["read"], "prefix": ""}]}))
        ),
        Just(Request::new(Method::DELETE, "/tokens/abc")),
        Just(Request::new(Method::POST, "/tokens/abc/rotate")),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![4 => of_a_key(), 4 => of_many(), 1 => of_the_service()]
}

/// What is granted: anything but to administer tokens, which is to have everything, and to see figures of everything.
fn scopes() -> impl Strategy<Value = Vec<Scope>> {
    let verbs = vec![
        Verb::Read,
        Verb::Write,
        Verb::Delete,
        Verb::List,
        Verb::Watch,
    ];
    let verbs = prop::sample::subsequence(verbs, 1..=5);
    let scope = (verbs, prefix())
        .prop_map(|(verbs, prefix)| Scope::new(verbs, Prefix::new(prefix).unwrap()).unwrap());
    prop::collection::vec(scope, 0..4)
}

/// A service, and the store in it.
struct World {
    store: Arc<dyn KvStore>,
    server: Server,
}

impl World {
    /// Deletes all keys, at a version that depends on the time alone.
    async fn clear(&self) {
        for key in KEYS {
            let key = key.parse().unwrap();
            self.store.put(&key, "").await.unwrap();
            self.store.delete(&key).await.unwrap();
        }
    }

    /// Stores a value under each of these keys.
    async fn fill(&self, keys: &[Key]) {
        for key in keys {
            self.store.put(key, value(key)).await.unwrap();
        }
    }

    /// All that is stored.
    async fn contents(&self) -> Vec<(Key, Vec<u8>)> {
        let options = ScanOptions::new(Prefix::default()).with_values(true);
        let page = self.store.scan(options).await.unwrap();
        let value = |value: Option<bytes::Bytes>| value.unwrap().to_vec();
        let entries = page.entries.into_iter();
        entries
            .map(|entry| (entry.key, value(entry.value)))
            .collect()
    }

    /// The answer to a request: status, headers and body.
    async fn ask(&self, request: &Request, token: &str) -> String {
        let mut sent = self
            .server
            .request(request.method.clone(), &request.path, token);
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        let answer = sent.body(request.body.clone()).send().await.unwrap();
        let volatile = ["date", "x-request-id"];
        let mut headers: Vec<String> = answer
            .headers()
            .iter()
            .filter(|(name, _)| !volatile.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {value:?}"))
            .collect();
        headers.sort();
        let status = answer.status();
        format!("{status} {headers:?}\n{}", answer.text().await.unwrap())
    }
}

fn value(key: &Key) -> String {
    format!("value of <{key}>")
}

/// Two services with one list of tokens.
struct Worlds {
    clock: Arc<ManualClock>,
    tokens: Arc<dyn TokenStore>,
    one: World,
    other: World,
}

impl Worlds {
    fn new() -> Self {
        let clock = Arc::default();
        let world = |tokens: Option<Arc<dyn TokenStore>>| {
            let store = memory(&clock);
            let mut opened = Opened::from(Arc::clone(&store));
            opened.tokens = tokens.unwrap_or(opened.tokens);
            let tokens = Arc::clone(&opened.tokens);
            let server = Server::serve(opened);
            (World { store, server }, tokens)
        };
        let (one, tokens) = world(None);
        let (other, _) = world(Some(Arc::clone(&tokens)));
        Self {
            clock,
            tokens,
            one,
            other,
        }
    }

    async fn check(&self, scopes: Vec<Scope>, exist: BTreeSet<&str>, requests: Vec<Request>) {
        // Versions follow the clock: what the cases before left behind has older ones.
        self.clock.advance(Duration::from_secs(1));
        self.one.clear().await;
        self.other.clear().await;
        self.clock.advance(Duration::from_secs(1));
        let new = NewToken::new("random", scopes).unwrap();
        let issued = self.tokens.create(new).await.unwrap();
        let (token, text) = (&issued.token, issued.secret.expose());
        let exist: Vec<Key> = exist.iter().map(|key| key.parse().unwrap()).collect();
        let is_inside = |key: &Key| token.scopes.iter().any(|scope| scope.prefix().matches(key));
        let inside: Vec<Key> = exist.iter().filter(|key| is_inside(key)).cloned().collect();
        let outside: Vec<Key> = exist
            .iter()
            .filter(|key| !is_inside(key))
            .cloned()
            .collect();
        self.one.fill(&exist).await;
        self.other.fill(&inside).await;

        for request in &requests {
            let before = self.one.contents().await;
            let answers = (
                self.one.ask(request, &text).await,
                self.other.ask(request, &text).await,
            );
            assert_eq!(answers.0, answers.1, "{request:?} {:?}", token.scopes);
            let after = self.one.contents().await;
            shows_only_what_is_granted(token, request, &answers.0, &before);
            changes_only_what_is_granted(token, request, &before, &after);
        }
        for key in &outside {
            let entry = self.one.store.get(key).await.unwrap();
            assert_eq!(entry.unwrap().value, value(key), "{requests:?}");
        }
        self.tokens.revoke(&token.id).await.unwrap();
    }
}

fn shows_only_what_is_granted(
    token: &Token,
    request: &Request,
    answer: &str,
    stored: &[(Key, Vec<u8>)],
) {
    for (key, value) in stored {
        let value = String::from_utf8(value.clone()).unwrap();
        // What the request wrote itself is no secret.
        let shown = value != "written" && answer.contains(&value);
        let may = token.grants(Verb::Read, Target::Key(key));
        assert!(may || !shown, "{request:?} shows {key}: {answer}");
        let listed = answer.contains(&format!("{{\"key\":{:?},\"version\"", key.as_str()));
        let may = token.grants(Verb::List, Target::Key(key));
        assert!(may || !listed, "{request:?} lists {key}: {answer}");
    }
}

fn changes_only_what_is_granted(
    token: &Token,
    request: &Request,
    before: &[(Key, Vec<u8>)],
    after: &[(Key, Vec<u8>)],
) {
    for (key, value) in before {
        let may = token.grants(Verb::Delete, Target::Key(key));
        let found = after.iter().find(|(other, _)| other == key);
        assert!(may || found.is_some(), "{request:?} deletes {key}");
        let may = token.grants(Verb::Write, Target::Key(key));
        let changed = found.is_some_and(|(_, found)| found != value);
        assert!(may || !changed, "{request:?} writes {key}");
    }
    for (key, _) in after {
        let may = token.grants(Verb::Write, Target::Key(key));
        let is_new = before.iter().all(|(other, _)| other != key);
        assert!(may || !is_new, "{request:?} writes {key}");
    }
}

static WORLDS: LazyLock<(Runtime, Worlds)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let worlds = {
        let _entered = runtime.enter();
        Worlds::new()
    };
    (runtime, worlds)
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_outside_a_grant_shows_or_changes(
        scopes in scopes(),
        exist in prop::collection::btree_set(key(), 0..KEYS.len()),
        requests in prop::collection::vec(request(), 1..25),
    ) {
        let (runtime, worlds) = &*WORLDS;
        runtime.block_on(worlds.check(scopes, exist, requests));
    }
}
