//! A server in this process, over a store of the test's.

use std::net::SocketAddr;
use std::sync::Arc;

use kverse_core::{KvStore, ManualClock, MemoryStore};
use kverse_server::{Config, StartError, bind, serve};
use kverse_store::http::{HttpOptions, HttpStore};
use prometheus::Registry;
use reqwest::{Client, Method, RequestBuilder};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{DEADLINE, Watch, client};

/// It stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    client: Client,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), StartError>>,
}

impl Server {
    /// Over a store in memory whose clock stands still.
    pub(crate) fn start(options: &[&str]) -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = MemoryStore::new(
            Arc::<ManualClock>::clone(&clock),
            kverse_core::Limits::default(),
        );
        Self {
            clock,
            ..Self::over(Arc::new(store), options)
        }
    }

    pub(crate) fn over(store: Arc<dyn KvStore>, options: &[&str]) -> Self {
        let fixed = ["--listen", "127.0.0.1:0", "--workers", "2"];
        let config = Config::try_from_args(fixed.iter().chain(options)).unwrap();
        let listener = bind(config.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(async move {
            let shutdown = async {
                // A dropped server stops as well.
                let _ = stopped.await;
            };
            serve(store, Registry::new(), &config, listener, shutdown).await
        });
        Self {
            address,
            clock: Arc::default(),
            client: client(),
            stop,
            done,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url() + path)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) async fn watch(&self, query: &str) -> Watch {
        Watch::start(self.get(&format!("/watch{query}"))).await
    }

    /// Stores a value; the version.
    pub(crate) async fn put(&self, path: &str, value: &str) -> u64 {
        let request = self.request(Method::PUT, &format!("/kv/{path}"));
        let answer = request.body(value.to_owned()).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        let version = answer.headers()["etag"].to_str().unwrap();
        version.trim_matches('"').parse().unwrap()
    }

    pub(crate) async fn delete(&self, key: &str) {
        let request = self.request(Method::DELETE, &format!("/kv/{key}"));
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    /// The value of a metric.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self
            .get("/metrics")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.expect(name).trim().parse().unwrap()
    }

    /// Waits until a metric has this value.
    pub(crate) async fn until(&self, name: &str, expected: f64) {
        let deadline = Instant::now() + DEADLINE;
        while self.metric(name).await != expected {
            assert!(Instant::now() < deadline, "{name} is not {expected}");
            sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn store(&self) -> HttpStore {
        HttpStore::new(self.url().parse().unwrap(), HttpOptions::default()).unwrap()
    }

    /// Asks the server to stop; the future completes when it has.
    pub(crate) fn stop(self) -> impl Future<Output = Result<(), StartError>> {
        self.stop.send(()).unwrap();
        async { timeout(DEADLINE, self.done).await.unwrap().unwrap() }
    }
}
