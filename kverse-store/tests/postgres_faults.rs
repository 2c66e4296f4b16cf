//! PostgreSQL in bad conditions: restarts, pauses, cut connections, lost answers, late writers, replicas in each other's way.
#![cfg(all(feature = "postgres", unix))]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use kverse_core::cached::{Mode, ModeRegister, ModeState, with_write_fence};
use kverse_core::{
    Error, ErrorKind, Key, KvStore, KvStoreExt, Operation, Precondition, PutOptions, Version, Write,
};
use kverse_store::postgres::{PostgresConfig, PostgresModeRegister, PostgresStore};
use kverse_store::testing::{PostgresOptions, PostgresServer, TcpProxy};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

fn key(text: impl std::fmt::Display) -> Key {
    text.to_string().parse().unwrap()
}

fn config(url: &str) -> PostgresConfig {
    PostgresConfig::new(url.parse().unwrap())
}

async fn open(url: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(config(url)).await.unwrap())
}

/// Does something until it works, for at most half a minute.
async fn until_ok<T>(work: impl AsyncFn() -> Result<T, Error>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) if Instant::now() < deadline => {
                assert!(error.is_retryable(), "{error:?}");
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("not recovered: {error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_migrate_once() {
    let database = PostgresServer::shared().create_database();
    let mut opening = JoinSet::new();
    for _ in 0..6 {
        opening.spawn(PostgresStore::open(config(&database.url())));
    }
    for store in opening.join_all().await {
        store.unwrap().put(&key("k"), "value").await.unwrap();
    }
}

#[tokio::test]
async fn opening_fails_with_a_clear_message_and_without_the_password() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    server.sql("postgres", "CREATE ROLE guarded LOGIN PASSWORD 'right'");
    let address = server.address();
    let closed = "127.0.0.1:1";
    let guarded =
        |password, address: &str, name| format!("postgresql://guarded:{password}@{address}/{name}");
    let here = address.to_string();
    for (url, kind, expected) in [
        (
            guarded("wr0ng", &here, database.name()),
            ErrorKind::InvalidInput,
            "password authentication failed",
        ),
        (
            guarded("right", &here, "nowhere"),
            ErrorKind::InvalidInput,
            "database \"nowhere\" does not exist",
        ),
        (
            guarded("wr0ng", closed, database.name()),
            ErrorKind::Unavailable,
            "Connection refused",
        ),
        (
            guarded("right", &here, database.name()),
            ErrorKind::Internal,
            "permission denied for schema public",
        ),
        (
            guarded("wr0ng", &here, "d?sslmode=require"),
            ErrorKind::Unavailable,
            "server does not support TLS",
        ),
    ] {
        let started = Instant::now();
        let error = PostgresStore::open(config(&url)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("guarded:***@"), "{message}");
        assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = PostgresServer::shared().create_database();
    drop(open(&database.url()).await);
    database.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')");
    let error = PostgresStore::open(config(&database.url()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("newer version of KVerse"),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_given_up() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let proxy = TcpProxy::start(server.address()).await;
    proxy.hold();
    let url = server.url_at(proxy.address(), database.name());
    let config = config(&url).with_connection_wait(Duration::from_millis(300));
    let error = PostgresStore::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("within 300ms"), "{error}");
}

/// Two replicas write the same few keys in batches of every kind, in different orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_on_hot_keys_do_not_get_in_each_others_way() {
    const KEYS: u64 = 8;
    let database = PostgresServer::shared().create_database();
    let replicas = [open(&database.url()).await, open(&database.url()).await];
    let mut writers = JoinSet::new();
    for writer in 0..8_u64 {
        let store = Arc::clone(&replicas[writer as usize % 2]);
        writers.spawn(async move {
            let mut written: Vec<(Key, Version)> = Vec::new();
            for round in 0..40_u64 {
                let keys = (0..KEYS).map(|i| key((i * (2 * writer + 1) + round) % KEYS));
                match (writer + round) % 4 {
                    // Plain puts, conditional ones, deletes, a transaction.
                    0 => {
                        let writes: Vec<_> = keys.map(|key| Write::put(key, "plain")).collect();
                        write(&store, writes, &mut written).await;
                    }
                    1 => {
                        let writes = keys.map(|key| {
                            Write::put(key, "new").with_precondition(Precondition::Absent)
                        });
                        write(&store, writes.collect(), &mut written).await;
                    }
                    2 => {
                        write(
                            &store,
                            keys.take(3).map(Write::delete).collect(),
                            &mut written,
                        )
                        .await
                    }
                    _ => {
                        let put = |key| Operation::Write(Write::put(key, "transaction"));
                        store.transact(keys.map(put).collect()).await.unwrap();
                    }
                }
            }
            written
        });
    }
    let mut versions: HashMap<Key, Vec<Version>> = HashMap::new();
    for (key, version) in writers.join_all().await.into_iter().flatten() {
        versions.entry(key).or_default().push(version);
    }
    for (key, mut versions) in versions {
        let count = versions.len();
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(
            versions.len(),
            count,
            "a version of {key} was given out twice"
        );
    }
    let leftovers = database.sql("SELECT count(*) FROM kv WHERE version = 0");
    assert_eq!(leftovers, "0", "rows made for locking stayed");
}

/// Writes a batch; nothing may fail but preconditions. Notes the versions of puts, which must grow for each key.
async fn write(store: &PostgresStore, writes: Vec<Write>, written: &mut Vec<(Key, Version)>) {
    let outcomes = store.write(writes.clone()).await.unwrap();
    for (write, outcome) in writes.into_iter().zip(outcomes) {
        match outcome {
            Ok(outcome) if matches!(write.action, kverse_core::WriteAction::Put { .. }) => {
                let last = written.iter().rev().find(|(key, _)| *key == write.key);
                assert!(last.is_none_or(|(_, last)| *last < outcome.version));
                written.push((write.key, outcome.version));
            }
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error:?}"),
        }
    }
}

/// Many writers, each with a key of its own that holds a number which only grows.
struct Load {
    stop: Arc<AtomicBool>,
    writers: JoinSet<(Key, u64, Vec<Error>)>,
}

impl Load {
    fn start(store: &Arc<PostgresStore>) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let (store, stop) = (Arc::clone(store), Arc::clone(&stop));
            writers.spawn(async move {
                let (key, mut acknowledged, mut errors) = (key(writer), 0, Vec::new());
                for number in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let condition = match writer % 2 {
                        0 => Precondition::None,
                        _ if acknowledged == 0 => Precondition::None,
                        _ => Precondition::Exists,
                    };
                    let options = PutOptions::default().with_precondition(condition);
                    match store.put_opts(&key, number.to_string(), options).await {
                        Ok(_) => acknowledged = number,
                        Err(error) => errors.push(error),
                    }
                }
                (key, acknowledged, errors)
            });
        }
        Self { stop, writers }
    }

    /// Stops the writers; what they acknowledged must be there, and their errors must be such that one may try again.
    async fn check(self, store: &PostgresStore) -> Vec<Error> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for (key, acknowledged, errors) in self.writers.join_all().await {
            let entry = until_ok(async || store.get(&key).await).await.unwrap();
            let stored: u64 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
            assert!(
                acknowledged > 0 && stored >= acknowledged,
                "{key}: {stored} < {acknowledged}"
            );
            all.extend(errors);
        }
        for error in &all {
            let kinds = [ErrorKind::Unavailable, ErrorKind::Timeout];
            assert!(kinds.contains(&error.kind()), "{error:?}");
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restart_of_the_server_loses_nothing() {
    let server = Arc::new(PostgresServer::start(
        PostgresOptions::default().with_fsync(true),
    ));
    server.sql("postgres", "CREATE DATABASE kverse");
    let store = open(&server.url("kverse")).await;
    let load = Load::start(&store);
    for kill in [false, true] {
        sleep(Duration::from_millis(300)).await;
        let server = Arc::clone(&server);
        let restart = move || {
            if kill {
                server.kill();
                server.start_again();
            } else {
                server.restart();
            }
        };
        tokio::task::spawn_blocking(restart).await.unwrap();
        until_ok(async || store.put(&key("after"), "value").await).await;
    }
    load.check(&store).await;
    assert!(store.check().await[0].result.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pause_of_the_server_is_not_waited_for_and_loses_nothing() {
    let server = PostgresServer::start(PostgresOptions::default());
    server.sql("postgres", "CREATE DATABASE kverse");
    let config = config(&server.url("kverse"))
        .with_connection_wait(Duration::from_millis(500))
        .with_statement_timeout(Duration::from_millis(200));
    let store = Arc::new(PostgresStore::open(config).await.unwrap());
    let load = Load::start(&store);
    sleep(Duration::from_millis(300)).await;
    server.pause();
    let started = Instant::now();
    let error = store.put(&key("paused"), "value").await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let health = store.check().await;
    assert!(health[0].result.is_err());
    assert!(started.elapsed() < Duration::from_secs(15));
    // Longer than an answer is waited for: 200 ms for the statement, 2 s for the way.
    sleep(Duration::from_secs(4).saturating_sub(started.elapsed())).await;
    server.resume();
    until_ok(async || store.put(&key("after"), "value").await).await;
    let errors = load.check(&store).await;
    assert!(!errors.is_empty(), "the pause was not noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cut_connections_are_replaced() {
    let database = PostgresServer::shared().create_database();
    let store = open(&database.url()).await;
    let load = Load::start(&store);
    for _ in 0..5 {
        sleep(Duration::from_millis(100)).await;
        database.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        until_ok(async || store.put(&key("after"), "value").await).await;
        until_ok(async || store.get(&key("after")).await).await;
    }
    load.check(&store).await;
}

struct BehindProxy {
    proxy: TcpProxy,
    store: PostgresStore,
    database: kverse_store::testing::TestDatabase<'static>,
}

impl BehindProxy {
    async fn start() -> Self {
        let server = PostgresServer::shared();
        let database = server.create_database();
        let proxy = TcpProxy::start(server.address()).await;
        let url = server.url_at(proxy.address(), database.name());
        // The connection that broke must not be in the way of finding out what became of its write.
        let config = config(&url)
            .with_write_fence(Duration::from_millis(500))
            .with_max_connections(1);
        let store = PostgresStore::open(config).await.unwrap();
        // So that connections and statements are ready.
        store.put(&key("warm"), "up").await.unwrap();
        store.put_opts(&key("warm"), "up", exists()).await.unwrap();
        Self {
            proxy,
            store,
            database,
        }
    }
}

fn exists() -> PutOptions {
    PutOptions::default().with_precondition(Precondition::Exists)
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_out() {
    let fixture = BehindProxy::start().await;
    fixture.proxy.cut_after("COMMIT");
    let outcome = fixture
        .store
        .put_opts(&key("warm"), "new", exists())
        .await
        .unwrap();
    assert!(fixture.proxy.has_triggered());
    assert!(outcome.existed && !outcome.replayed);
    let entry = fixture.store.get(&key("warm")).await.unwrap().unwrap();
    assert_eq!(
        (entry.value, entry.version),
        ("new".into(), outcome.version)
    );
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_is_found_out() {
    let fixture = BehindProxy::start().await;
    fixture.proxy.cut_after("needle");
    let writes = vec![Write::put(key("a"), "needle"), Write::put(key("warm"), "b")];
    let outcomes = fixture.store.write(writes).await.unwrap();
    assert!(fixture.proxy.has_triggered());
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!([outcomes[0].existed, outcomes[1].existed], [false, true]);
    let entry = fixture.store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(
        (entry.value, entry.version),
        ("needle".into(), outcomes[0].version)
    );
}

#[tokio::test]
async fn a_write_that_nobody_knows_of_is_a_timeout() {
    let fixture = BehindProxy::start().await;
    for (trigger, options) in [("needle", PutOptions::default()), ("COMMIT", exists())] {
        fixture.proxy.cut_before(trigger);
        let put = fixture
            .store
            .put_opts(&key("warm"), "needle", options)
            .await;
        assert!(fixture.proxy.has_triggered());
        assert_eq!(put.unwrap_err().kind(), ErrorKind::Timeout);
        let entry = fixture.store.get(&key("warm")).await.unwrap().unwrap();
        assert_eq!(entry.value, "up");
    }
}

/// The request of a writer that was held up arrives after its fence: it is refused, whatever kind of write it is.
#[tokio::test]
async fn a_write_that_arrives_after_its_fence_is_not_stored() {
    let fixture = BehindProxy::start().await;
    for options in [PutOptions::default(), exists()] {
        fixture.proxy.hold();
        let warm = key("warm");
        let put = fixture.store.put_opts(&warm, "late", options);
        let mend = async {
            sleep(Duration::from_millis(800)).await;
            fixture.proxy.mend();
        };
        let (put, ()) = tokio::join!(put, mend);
        assert_eq!(put.unwrap_err().kind(), ErrorKind::Unavailable);
        let entry = fixture.store.get(&key("warm")).await.unwrap().unwrap();
        assert_eq!(entry.value, "up");
        fixture.store.put(&key("other"), "in time").await.unwrap();
    }
}

/// A deadline that the caller set, as a cache does, is kept too.
#[tokio::test]
async fn a_write_keeps_to_the_deadline_of_its_task() {
    let fixture = BehindProxy::start().await;
    let put = async || fixture.store.put(&key("warm"), "new").await;
    let passed = Instant::now();
    let error = with_write_fence(passed.into(), put()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let deadline = Instant::now() + Duration::from_secs(10);
    with_write_fence(deadline.into(), put()).await.unwrap();
}

/// Another transaction that holds a lock for too long fails the write, for sure and in time.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_is_waited_for_no_longer_than_a_statement_may_run() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url()).with_statement_timeout(Duration::from_millis(300));
    let store = PostgresStore::open(config).await.unwrap();
    store.put(&key("k"), "old").await.unwrap();
    let locked = std::thread::scope(|scope| {
        let holder = scope.spawn(|| {
            database.sql(
                "BEGIN; SELECT FROM kv WHERE key = 'k' FOR UPDATE; SELECT pg_sleep(3); COMMIT",
            );
        });
        let runtime = tokio::runtime::Handle::current();
        let errors = tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' \
                             AND wait_event = 'PgSleep'";
                while database.sql(waits) == "0" {
                    sleep(Duration::from_millis(10)).await;
                }
                let plain = store.put(&key("k"), "new").await.unwrap_err();
                let careful = store.put_opts(&key("k"), "new", exists()).await.unwrap_err();
                [plain, careful]
            })
        });
        assert!(!holder.is_finished(), "the lock was not held long enough");
        errors
    });
    for error in locked {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains("took too long"), "{error}");
    }
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "old");
}

#[tokio::test]
async fn an_overloaded_pool_refuses_in_time() {
    let fixture = BehindProxy::start().await;
    let url = PostgresServer::shared().url_at(fixture.proxy.address(), fixture.database.name());
    let config = config(&url)
        .with_max_connections(1)
        .with_connection_wait(Duration::from_millis(300));
    let store = PostgresStore::open(config).await.unwrap();
    store.get(&key("warm")).await.unwrap();
    let registry = prometheus::Registry::new();
    store.register(&registry).unwrap();
    let metrics = || {
        let encoder = prometheus::TextEncoder::new();
        encoder.encode_to_string(&registry.gather()).unwrap()
    };
    let idle = r#"kverse_postgres_connections{state="idle"} 1"#;
    assert!(metrics().contains(idle), "{}", metrics());
    fixture.proxy.hold();
    let key = key("warm");
    let (slow, refused, ()) = tokio::join!(
        timeout(Duration::from_secs(1), store.get(&key)),
        store.get(&key),
        async {
            let text = metrics();
            for expected in [
                r#"kverse_postgres_connections{state="in_use"} 1"#,
                "kverse_postgres_connections_limit 1",
                "kverse_postgres_connections_waiting 1",
            ] {
                assert!(text.contains(expected), "{expected} is missing in {text}");
            }
        }
    );
    assert!(slow.is_err(), "the held connection answered");
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("none of 1 connections"),
        "{error}"
    );
    fixture.proxy.mend();
    until_ok(async || store.get(&key).await).await;
}

/// A web server's workers have runtimes of their own, which end before the store does.
#[test]
fn a_store_serves_runtimes_that_come_and_go() {
    let database = PostgresServer::shared().create_database();
    let main = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let store = main.block_on(open(&database.url()));
    for round in 0..3 {
        let store = Arc::clone(&store);
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                store.put(&key(round), "value").await.unwrap();
                store
                    .put_opts(&key(round), "value", exists())
                    .await
                    .unwrap();
                store.get(&key(round)).await.unwrap().unwrap();
            });
        });
        worker.join().unwrap();
    }
    main.block_on(async {
        assert_eq!(store.stats().await.unwrap().items, 3);
        let connections = database.sql(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        // The one that every runtime used, and the one of the migrations if it has not ended yet.
        assert!(["1", "2"].contains(&connections.as_str()), "{connections}");
    });
}

#[tokio::test]
async fn sweeps_bury_expired_entries_and_forget_old_tombstones() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url()).with_tombstone_retention(Duration::ZERO);
    let store = PostgresStore::open(config).await.unwrap();
    let gone = PutOptions::default().with_ttl(Duration::from_millis(1));
    let writes = (0..600).map(|number| Write::put(key(number), "value").with_options(gone.clone()));
    let first = store.write(writes.collect()).await.unwrap();
    store.put(&key("stays"), "value").await.unwrap();
    sleep(Duration::from_millis(5)).await;
    let (one, other) = tokio::join!(store.sweep(), store.sweep());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.expired + other.expired, 600, "each once");
    let again = store.sweep().await.unwrap();
    assert_eq!(one.removed + other.removed + again.removed, 600);
    assert_eq!(database.sql("SELECT count(*) FROM kv"), "1");
    let outcome = store.put(&key(0), "value").await.unwrap();
    assert!(!outcome.existed && outcome.version > first[0].as_ref().unwrap().version);
}

#[tokio::test]
async fn replicas_sweep_by_themselves() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url()).with_sweep_interval(Duration::from_millis(50));
    let stores = [
        PostgresStore::open(config.clone()).await.unwrap(),
        PostgresStore::open(config).await.unwrap(),
    ];
    let gone = PutOptions::default().with_ttl(Duration::from_millis(1));
    stores[0].put_opts(&key("k"), "value", gone).await.unwrap();
    let buried = async {
        while database.sql("SELECT count(*) FROM kv WHERE deleted_at IS NOT NULL") == "0" {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), buried).await.unwrap();
}

#[tokio::test]
async fn the_mode_register_changes_by_comparison_and_counts_replicas() {
    let database = PostgresServer::shared().create_database();
    let store = open(&database.url()).await;
    let (one, other) = (
        store.mode_register().unwrap(),
        store.mode_register().unwrap(),
    );
    let fresh = ModeState {
        revision: 0,
        epoch: 0,
        mode: Mode::Off,
        run_id: String::new(),
    };
    assert_eq!(one.read().await.unwrap(), fresh);
    let warming = ModeState {
        revision: 1,
        epoch: 1,
        mode: Mode::Warming,
        run_id: "run".to_owned(),
    };
    let (first, second) = tokio::join!(
        one.compare_and_swap(0, warming.clone()),
        other.compare_and_swap(0, warming.clone())
    );
    assert_eq!(
        [first.unwrap(), second.unwrap()]
            .iter()
            .filter(|won| **won)
            .count(),
        1
    );
    assert_eq!(other.read().await.unwrap(), warming);

    let minute = Duration::from_secs(60);
    let beat = async |register: &PostgresModeRegister, replica, revision| {
        let beat = register.heartbeat(replica, revision, minute).await.unwrap();
        let off = SystemTime::from(beat.now).elapsed().unwrap_or_default();
        assert!(off < Duration::from_secs(10), "{beat:?}");
        (beat.alive, beat.ready)
    };
    assert_eq!(beat(&one, 1, 1).await, (1, 1));
    assert_eq!(beat(&other, 2, 0).await, (2, 2));
    assert_eq!(beat(&one, 1, 1).await, (2, 1));
    assert_eq!(beat(&other, u128::MAX, 1).await, (3, 2));
    database.sql("UPDATE replica SET seen_at = seen_at - 61000000 WHERE id <> decode(repeat('ff', 16), 'hex')");
    assert_eq!(beat(&other, u128::MAX, 1).await, (1, 1));
    assert_eq!(database.sql("SELECT count(*) FROM replica"), "1");
}
