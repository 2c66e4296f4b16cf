//! The conformance suite over HTTP: `HttpStore` on a real server of a store in memory.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use kverse_core::testing::wrappers::{Coalesced, GroupCommit, Observed};
use kverse_core::testing::{Backend, Wrapped};
use kverse_core::{Key, KvStore, Limits, ManualClock, MemoryStore, Write};
use kverse_server::{Config, bind, serve};
use kverse_store::http::{HttpOptions, HttpStore};
use prometheus::Registry;
use tokio::sync::oneshot;

struct Remote {
    /// `None` only while it is dropped: the server waits for its connections to end.
    store: Option<Arc<HttpStore>>,
    clock: Arc<ManualClock>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[async_trait]
impl Backend for Remote {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::default());
        // Not the defaults, so that the client must have asked for them.
        let limits = Limits::default().with_max_value_bytes(300_000);
        let memory: Arc<dyn KvStore> = Arc::new(MemoryStore::new(Arc::clone(&clock) as _, limits));
        let config = Config::try_from_args(["--listen", "127.0.0.1:0", "--workers", "1"]).unwrap();
        let listener = bind(config.listen).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (shutdown, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            let server = serve(memory, Registry::new(), &config, listener, stopped);
            runtime.block_on(server).unwrap();
        });
        let store = HttpStore::connect(url.parse().unwrap(), HttpOptions::default());
        let store = store.await.unwrap();
        assert_eq!(store.capabilities().limits, limits);
        Self {
            store: Some(Arc::new(store)),
            clock,
            shutdown: Some(shutdown),
            thread: Some(thread),
        }
    }

    fn store(&self) -> Arc<dyn KvStore> {
        Arc::<HttpStore>::clone(self.store.as_ref().unwrap())
    }

    fn clock(&self) -> Option<Arc<ManualClock>> {
        Some(Arc::clone(&self.clock))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.store.take());
        drop(self.shutdown.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server failed");
        }
    }
}

/// Every wrapper that may stand in front of a store that others write too.
type Stack = Wrapped<Wrapped<Wrapped<Remote, Coalesced>, GroupCommit>, Observed>;

kverse_core::conformance!(http, Remote, clocked);
kverse_core::conformance!(coalesced_http, Wrapped<Remote, Coalesced>, clocked);
kverse_core::conformance!(group_commit_http, Wrapped<Remote, GroupCommit>, clocked);
kverse_core::conformance!(observed_http, Wrapped<Remote, Observed>, clocked);
kverse_core::conformance!(stacked_http, Stack, clocked);

/// JSON makes text longer; a batch that the limits allow is not refused for that.
#[tokio::test]
async fn a_full_batch_of_text_that_json_escapes_is_written() {
    let remote = Remote::start().await;
    let store = remote.store();
    let limits = store.capabilities().limits;
    let count = limits.max_batch_bytes / (limits.max_value_bytes + Key::MAX_BYTES);
    for character in ["\u{1}", "\""] {
        let (key, value) = (character.repeat(Key::MAX_BYTES - 3), limits.max_value_bytes);
        let value = character.repeat(value);
        let put = |i| Write::put(format!("{key}{i:03}").parse().unwrap(), value.clone());
        for outcome in store.write((0..count).map(put).collect()).await.unwrap() {
            outcome.unwrap();
        }
    }
}
