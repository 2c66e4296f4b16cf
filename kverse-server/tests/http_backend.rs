//! The conformance suite over HTTP: `HttpStore` on a real server of a store in memory.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use kverse_core::testing::Backend;
use kverse_core::{KvStore, Limits, ManualClock, MemoryStore};
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

kverse_core::conformance!(http, Remote, clocked);
