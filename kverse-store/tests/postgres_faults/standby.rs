//! A primary and its standby: who is asked, and what is lost with the primary.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::{
    ChangesOptions, ErrorKind, KvStore, KvStoreExt, Prefix, PutOptions, Write, WriteId,
};
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::{PostgresOptions, PostgresServer};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::common::{config, key, open, until_ok};

/// A primary with a standby that its commits wait for.
struct Pair {
    primary: PostgresServer,
    standby: PostgresServer,
}

impl Pair {
    fn start() -> Self {
        // What is not committed stays in memory.
        let options = PostgresOptions::default()
            .with_setting("wal_writer_delay", "10s")
            .with_setting("max_connections", "40");
        let primary = PostgresServer::start(options.clone());
        primary.sql("postgres", "CREATE DATABASE kverse");
        let standby = primary.start_standby(options);
        primary.wait_for_standby();
        Self { primary, standby }
    }

    /// The URL of both, the standby first.
    fn url(&self) -> String {
        let [standby, primary] = [&self.standby, &self.primary].map(PostgresServer::address);
        format!("postgresql://kverse@{standby},{primary}/kverse")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_not_read() {
    let pair = Pair::start();
    let store = open(&pair.url()).await;
    store.put(&key("k"), "value").await.unwrap();
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "value");
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'kverse'";
    assert_eq!(pair.standby.sql("postgres", sessions), "0");

    let standby = pair.standby.url("kverse");
    let error = PostgresStore::open(config(&standby)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("is a standby"), "{error}");

    let url = format!(
        "postgresql://kverse:secret@127.0.0.1:1,{}/kverse",
        pair.standby.address()
    );
    let error = PostgresStore::open(config(&url)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    for expected in [
        "127.0.0.1:1: Connection refused",
        "is a standby",
        "kverse:***@",
    ] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

/// A primary on which nothing can be written any more was replaced by another.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_became_read_only_is_left() {
    let pair = Pair::start();
    let store = open(&pair.url()).await;
    store.put(&key("k"), "old").await.unwrap();
    pair.primary.set("default_transaction_read_only", "on");
    let error = store.put(&key("k"), "refused").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(store.check().await[0].result.is_err());
    pair.standby.promote();
    until_ok(async || store.put(&key("k"), "new").await).await;
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "new");
    assert_eq!(
        pair.standby.sql("kverse", "SELECT value FROM kv"),
        "\\x6e6577"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_answer_is_not_waited_for() {
    let database = PostgresServer::shared().create_database();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (silent, real) = (
        silent.local_addr().unwrap(),
        PostgresServer::shared().address(),
    );
    let url = format!("postgresql://kverse@{silent},{real}/{}", database.name());
    let began = Instant::now();
    let store = open(&url).await;
    store.put(&key("k"), "value").await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

/// What the promoted standby has is the same store: the same identity, versions that grow, and a feed that goes on where it
/// was, although the primary had given away ids of transactions that the standby never heard of.
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_goes_on_where_the_primary_was() {
    let pair = Pair::start();
    let store = open(&pair.url()).await;
    let before = store.put(&key("k"), "before").await.unwrap();
    let identity = store.identity().await.unwrap();
    let mut untold = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        let absent = PutOptions::default().with_precondition(kverse_core::Precondition::Absent);
        untold.spawn(async move { store.put_opts(&key("k"), "refused", absent).await });
    }
    for refused in untold.join_all().await {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::PreconditionFailed);
    }
    let all = ChangesOptions::new(Prefix::default());
    let position = store.changes(all.clone()).await.unwrap().position;
    pair.primary.kill();
    pair.standby.promote();

    let after = until_ok(async || store.put(&key("k"), "after").await).await;
    assert!(before.version < after.version, "{before:?}, {after:?}");
    assert_eq!(store.identity().await.unwrap(), identity);
    let changes = until_ok(async || {
        let page = store
            .changes(all.clone().with_since(Some(position)))
            .await?;
        match page.changes.is_empty() {
            false => Ok(page.changes),
            true => Err(kverse_core::Error::new(
                ErrorKind::Unavailable,
                "not told yet",
            )),
        }
    });
    assert_eq!(changes.await[0].version, after.version);
}

/// While the primary has no standby, nothing is acknowledged, everything is answered in time, what is read stays readable, and
/// the server is not filled with sessions that wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_without_its_standby_stores_nothing_and_can_be_read() {
    const WRITERS: usize = 30;
    let pair = Pair::start();
    let config = config(&pair.url()).with_statement_timeout(Duration::from_millis(200));
    let store = Arc::new(PostgresStore::open(config).await.unwrap());
    store.put(&key("k"), "value").await.unwrap();
    pair.standby.kill();

    let began = Instant::now();
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let mut errors = Vec::new();
            while began.elapsed() < Duration::from_secs(8) {
                let asked = Instant::now();
                let error = store.put(&key(number), "value").await.unwrap_err();
                assert!(asked.elapsed() < Duration::from_secs(9), "{error:?}");
                errors.push(error);
                sleep(Duration::from_millis(20)).await;
            }
            errors
        });
    }
    let mut reads = 0;
    while began.elapsed() < Duration::from_secs(8) {
        reads += usize::from(store.get(&key("k")).await.is_ok());
        sleep(Duration::from_millis(5)).await;
    }
    let errors = writers.join_all().await.concat();
    for error in &errors {
        let kinds = [ErrorKind::Unavailable, ErrorKind::Timeout];
        assert!(kinds.contains(&error.kind()), "{error:?}");
    }
    assert!(
        errors
            .iter()
            .any(|error| error.to_string().contains("standby?"))
    );
    assert!(reads > 100, "only {reads} reads");
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'kverse'";
    let sessions: usize = pair.primary.sql("postgres", sessions).parse().unwrap();
    assert!(sessions <= 36, "{sessions} sessions");

    pair.standby.start_again();
    until_ok(async || store.put(&key("k"), "new").await).await;
}

/// Somebody cancels a commit that waits for the standby: PostgreSQL answers as if it were done, which holds for this server
/// only. Neither the write nor its repetition is acknowledged before the standby has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_wait_was_cancelled_is_not_acknowledged() {
    const CANCEL: &str =
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let pair = Pair::start();
    let config = config(&pair.url()).with_statement_timeout(Duration::from_secs(1));
    let store = Arc::new(PostgresStore::open(config).await.unwrap());
    store.put(&key("k"), "old").await.unwrap();
    pair.standby.kill();
    for transaction in [false, true] {
        let options = PutOptions::default().with_write_id(WriteId::random());
        let options = match transaction {
            false => options,
            true => options.with_precondition(kverse_core::Precondition::Exists),
        };
        let write = Write::put(key("k"), "new").with_options(options);
        for replay in [false, true] {
            let writing = tokio::spawn({
                let (store, write) = (Arc::clone(&store), write.clone());
                async move { store.write_one(write).await }
            });
            let cancelled =
                until_ok(
                    async || match pair.primary.sql("postgres", CANCEL).as_str() {
                        "0" => Err(kverse_core::Error::new(
                            ErrorKind::Unavailable,
                            "nobody waits",
                        )),
                        _ => Ok(()),
                    },
                );
            cancelled.await;
            let error = writing.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{replay}: {error:?}");
        }
        pair.standby.start_again();
        let done = until_ok(async || store.write_one(write.clone()).await).await;
        assert!(done.replayed);
        pair.standby.kill();
    }
}
