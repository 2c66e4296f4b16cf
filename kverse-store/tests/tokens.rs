//! Access tokens in every place where they are kept.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use kverse_core::{ErrorKind, ManualClock};
use kverse_store::testing::PostgresServer;
use kverse_store::tokens::{BearerToken, MAX_TOKENS, NewToken, Target, TokenStore, Verb};
use kverse_store::{StoreConfig, StoreUrl, open_with_tokens};

async fn open(url: &str, clock: &Arc<ManualClock>) -> Arc<dyn TokenStore> {
    let url: StoreUrl = url.parse().unwrap();
    let config = StoreConfig::new(url).with_clock(Arc::clone(clock) as _);
    open_with_tokens(&config).await.unwrap().tokens
}

fn new(name: &str, scope: &str) -> NewToken {
    NewToken::new(name, vec![scope.parse().unwrap()]).unwrap()
}

/// Makes, finds, rotates and removes tokens.
async fn live(tokens: &dyn TokenStore, clock: &ManualClock) {
    let first = tokens
        .create(new("first \"a\"", "read,list:a:\u{1F600}/"))
        .await
        .unwrap();
    // Where the clock is another it does not stand still.
    clock.advance(Duration::from_micros(1));
    let second = tokens.create(new("second", "admin")).await.unwrap();
    assert_eq!(
        tokens.list().await.unwrap(),
        [first.token.clone(), second.token.clone()]
    );
    let found = tokens.verify(&first.secret).await.unwrap().unwrap();
    assert_eq!(found, first.token);
    let key = "a:\u{1F600}/b".parse().unwrap();
    assert!(found.grants(Verb::List, Target::Key(&key)));
    assert!(!found.grants(Verb::Write, Target::Key(&key)));

    // The id of one with the secret of the other.
    let (_, secret) = second.secret.expose()[3..]
        .split_once('_')
        .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
        .unwrap();
    let mixed: BearerToken = format!("kv_{}_{secret}", first.token.id).parse().unwrap();
    assert_eq!(tokens.verify(&mixed).await.unwrap(), None);
    let unknown = BearerToken::random("nobody".parse().unwrap());
    assert_eq!(tokens.verify(&unknown).await.unwrap(), None);

    let id = &first.token.id;
    let renewed = tokens.rotate(id, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(renewed.token, first.token);
    assert_eq!(tokens.verify(&first.secret).await.unwrap(), None);
    let again = tokens
        .rotate(id, Duration::from_secs(3600))
        .await
        .unwrap()
        .unwrap();
    for valid in [&renewed.secret, &again.secret] {
        assert!(tokens.verify(valid).await.unwrap().is_some());
    }
    // Only one is kept: the first secret does not come back.
    tokens.rotate(id, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(tokens.verify(&renewed.secret).await.unwrap(), None);

    assert!(tokens.revoke(id).await.unwrap());
    assert!(!tokens.revoke(id).await.unwrap());
    assert_eq!(tokens.verify(&again.secret).await.unwrap(), None);
    let gone = tokens.rotate(id, Duration::ZERO).await.unwrap();
    assert!(gone.is_none());
    assert_eq!(tokens.list().await.unwrap(), [second.token]);
}

/// Fills the table.
async fn full(tokens: &dyn TokenStore) {
    let count = tokens.list().await.unwrap().len();
    for i in count..MAX_TOKENS {
        let made = tokens.create(new(&i.to_string(), "read:")).await;
        made.unwrap();
    }
    let error = tokens.create(new("more", "read:")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!((error.limit(), error.actual()), (Some(1000), Some(1000)));
}

#[tokio::test]
async fn in_memory() {
    let clock = Arc::<ManualClock>::default();
    let tokens = open("memory:", &clock).await;
    live(tokens.as_ref(), &clock).await;
    full(tokens.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_sqlite_they_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("kverse.db").display());
    let clock = Arc::<ManualClock>::default();
    let tokens = open(&url, &clock).await;
    live(tokens.as_ref(), &clock).await;
    let issued = tokens.create(new("stays", "read:")).await.unwrap();
    drop(tokens);
    let tokens = open(&url, &clock).await;
    let found = tokens.verify(&issued.secret).await.unwrap();
    assert_eq!(found, Some(issued.token.clone()));
    let bytes = std::fs::read(directory.path().join("kverse.db")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let secret = &issued.secret.expose()[4 + issued.token.id.as_str().len()..];
    assert!(text.contains(issued.token.id.as_str()));
    assert!(!text.contains(secret), "the secret is stored");
    full(tokens.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_postgres_replicas_see_them_at_once() {
    let database = PostgresServer::shared().create_database();
    let clock = Arc::<ManualClock>::default();
    let (one, other) = (
        open(&database.url(), &clock).await,
        open(&database.url(), &clock).await,
    );
    live(one.as_ref(), &clock).await;
    let issued = one.create(new("shared", "read:")).await.unwrap();
    assert!(other.verify(&issued.secret).await.unwrap().is_some());
    one.revoke(&issued.token.id).await.unwrap();
    assert_eq!(other.verify(&issued.secret).await.unwrap(), None);
    full(one.as_ref()).await;
}

#[tokio::test]
async fn an_expired_token_is_not_valid_and_makes_room_in_time() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let clock = Arc::<ManualClock>::default();
    for url in ["memory:", "sqlite::memory:"] {
        let tokens = open(url, &clock).await;
        let short = new("short", "read:").with_ttl(Some(DAY)).unwrap();
        let issued = tokens.create(short).await.unwrap();
        let rotated = tokens.create(new("rotated", "read:")).await.unwrap();
        let id = &rotated.token.id;
        tokens.rotate(id, DAY).await.unwrap();
        clock.advance(DAY - Duration::from_micros(1));
        for valid in [&issued.secret, &rotated.secret] {
            assert!(tokens.verify(valid).await.unwrap().is_some(), "{url}");
        }
        clock.advance(Duration::from_micros(1));
        for over in [&issued.secret, &rotated.secret] {
            assert_eq!(tokens.verify(over).await.unwrap(), None, "{url}");
        }
        clock.advance(29 * DAY);
        tokens.create(new("a", "read:")).await.unwrap();
        assert_eq!(tokens.list().await.unwrap().len(), 3, "{url}");
        clock.advance(DAY);
        tokens.create(new("b", "read:")).await.unwrap();
        let listed = tokens.list().await.unwrap();
        assert_eq!(listed.len(), 3, "{url}");
        assert!(!listed.contains(&issued.token), "{url}");
    }
}
