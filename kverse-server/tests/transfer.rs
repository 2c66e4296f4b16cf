//! What is exported from a store of one kind and imported into one of another is the same: the pairs, their content types
//! and their ends.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::TryStreamExt;
use kverse_core::{
    ContentType, Expiry, Key, KvStore, KvStoreExt, MemoryStore, Prefix, PutOptions, ScanOptions,
    Timestamp, Write,
};
use kverse_server::{Config, bind, serve};
use kverse_store::testing::{PostgresServer, TestDatabase};
use kverse_store::transfer::{Export, Import, OnConflict};
use kverse_store::{StoreConfig, open};
use prometheus::Registry;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Key, value, content type and end: what is stored.
type Fields = (String, Vec<u8>, Option<ContentType>, Option<Timestamp>);

/// What an export must not lose.
type Pair = (Key, Bytes, Option<ContentType>, Option<Timestamp>);

/// An empty store of each kind.
struct Stores {
    stores: Vec<Arc<dyn KvStore>>,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<()>,
    _files: tempfile::TempDir,
    _database: TestDatabase<'static>,
}

impl Stores {
    async fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite:{}", files.path().join("kverse.db").display());
        let database = PostgresServer::shared().create_database();

        let config = Config::try_from_args(["--listen", "127.0.0.1:0", "--workers", "1"]).unwrap();
        let listener = bind(config.listen).unwrap();
        let http = format!("http://{}", listener.local_addr().unwrap());
        let (shutdown, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            let store: Arc<dyn KvStore> = Arc::new(MemoryStore::default());
            let served = serve(store, Registry::new(), &config, listener, stopped);
            served.await.unwrap();
        });

        let mut stores = Vec::new();
        for url in ["memory:", &sqlite, &http, &database.url()] {
            let config = StoreConfig::new(url.parse().unwrap());
            stores.push(open(&config).await.unwrap());
        }
        Self {
            stores,
            shutdown,
            server,
            _files: files,
            _database: database,
        }
    }

    async fn stop(self) {
        for store in &self.stores {
            store.close().await;
        }
        drop(self.stores);
        self.shutdown.send(()).unwrap();
        self.server.await.unwrap();
    }
}

async fn pairs(store: &dyn KvStore, prefix: &Prefix) -> Vec<Pair> {
    let options = ScanOptions::new(prefix.clone()).with_values(true);
    let entries = store.list_all(options).map_ok(|entry| {
        let value = entry.value.unwrap();
        (entry.key, value, entry.content_type, entry.expires_at)
    });
    entries.try_collect().await.unwrap()
}

/// Copies a prefix; the number of entries.
async fn copy(from: &dyn KvStore, to: &dyn KvStore, prefix: &Prefix) -> u64 {
    let mut export = Export::new(prefix.clone());
    let mut import = Import::new(to.capabilities().limits, OnConflict::Fail);
    while let Some(chunk) = export.next(from).await.unwrap() {
        // In pieces that end anywhere.
        for piece in chunk.lines.chunks(1021) {
            import.push(to, piece).await.unwrap();
        }
    }
    import.finish(to).await.unwrap();
    import.report().imported
}

fn entry() -> impl Strategy<Value = Fields> {
    let value = prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        "[\0-\u{1f}\"\\\\/]{0,40}".prop_map(String::into_bytes),
        (0_usize..100_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ];
    let content_type = "[!-~]{1,60}|text/plain; charset=\"utf-8\"".prop_map(ContentType::new);
    let content_type = proptest::option::of(content_type.prop_map(Result::unwrap));
    // From 2100 on.
    let ends = 4_102_444_800_000_000..=Timestamp::MAX.as_micros();
    let expires_at = proptest::option::of(ends.prop_map(Timestamp::from_micros));
    ("[^\0]{1,60}", value, content_type, expires_at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_store_gives_and_takes_the_same() {
    let stores = Stores::start().await;
    let handle = tokio::runtime::Handle::current();
    let case = AtomicU64::new(0);
    let config = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let entries = proptest::collection::vec(entry(), 0..60);
    tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&entries, |entries| {
            let number = case.fetch_add(1, Ordering::SeqCst);
            handle.block_on(one_case(&stores.stores, number, entries));
            Ok(())
        })
    })
    .unwrap();
    stores.stop().await;
}

/// Around the circle, starting with another store each time, under a prefix of its own.
async fn one_case(stores: &[Arc<dyn KvStore>], number: u64, entries: Vec<Fields>) {
    let prefix = Prefix::new(format!("{number}/")).unwrap();
    let start = usize::try_from(number).unwrap() % stores.len();
    let mut ring = stores.iter().cycle().skip(start);
    let mut from = ring.next().unwrap();
    for (key, value, content_type, expires_at) in entries {
        let options = PutOptions::default()
            .with_content_type(content_type)
            .with_expiry(expires_at.map_or(Expiry::Never, Expiry::At));
        let key = Key::new(format!("{prefix}{key}")).unwrap();
        let write = Write::put(key, value).with_options(options);
        from.write_one(write).await.unwrap();
    }
    let expected = pairs(from.as_ref(), &prefix).await;
    for to in ring.take(stores.len() - 1) {
        assert!(pairs(to.as_ref(), &prefix).await.is_empty());
        let imported = copy(from.as_ref(), to.as_ref(), &prefix).await;
        assert_eq!(imported, expected.len() as u64);
        let found = pairs(to.as_ref(), &prefix).await;
        assert!(
            found == expected,
            "{from} to {to}: {found:?}, not {expected:?}"
        );
        from = to;
    }
}

/// Larger than a page, a batch and a body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_store_gives_and_takes_large_values_and_many() {
    let stores = Stores::start().await;
    let prefix = Prefix::default();
    let first = &stores.stores[0];
    for number in 0..12_u8 {
        // Text that escapes to six times its size, bytes, and plain text.
        let byte = [0x01, 0xff, b'x'][usize::from(number) % 3];
        let key = Key::new(format!("large/{number:02}")).unwrap();
        first.put(&key, vec![byte; 1 << 20]).await.unwrap();
    }
    let small = (0..2500).map(|number| {
        let key = Key::new(format!("small/{number:04}")).unwrap();
        Write::put(key, format!("{number}"))
    });
    let small: Vec<_> = small.collect();
    for writes in small.chunks(1000) {
        first.write(writes.to_vec()).await.unwrap();
    }
    let expected = pairs(first.as_ref(), &prefix).await;
    for (from, to) in stores.stores.iter().zip(&stores.stores[1..]) {
        assert_eq!(copy(from.as_ref(), to.as_ref(), &prefix).await, 2512);
        assert!(
            pairs(to.as_ref(), &prefix).await == expected,
            "{from} to {to}"
        );
    }
    stores.stop().await;
}
