//! A server on a free port, and two ways to talk to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kverse_core::{KvStore, Limits, ManualClock, MemoryStore};
use kverse_server::{Config, StartError, bind, serve};
use prometheus::Registry;
use reqwest::{Client, Method, RequestBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes: a test that hangs fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A server over a store in memory whose clock stands still. It stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn KvStore>,
    client: Client,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), StartError>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with_options(&[])
    }

    /// A server with these options of the command line.
    pub(crate) fn with_options(options: &[&str]) -> Self {
        let config = config(options);
        let limits = Limits::default().with_max_value_bytes(config.max_value_bytes as usize);
        let clock = Arc::new(ManualClock::default());
        let store = MemoryStore::new(Arc::<ManualClock>::clone(&clock), limits);
        Self {
            clock,
            ..Self::with_store(Arc::new(store), options)
        }
    }

    /// A server over another store, which has a clock of its own.
    pub(crate) fn with_store(store: Arc<dyn KvStore>, options: &[&str]) -> Self {
        let config = config(options);
        let listener = bind(config.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&store);
        let done = tokio::spawn(async move {
            let shutdown = async {
                // A dropped server stops as well.
                let _ = stopped.await;
            };
            serve(served, Registry::new(), &config, listener, shutdown).await
        });
        Self {
            address,
            clock: Arc::default(),
            store,
            client: client(),
            stop,
            done,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(Method::PUT, path).body(body)
    }

    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        self.request(Method::DELETE, path)
    }

    pub(crate) fn post(&self, path: &str, json: &serde_json::Value) -> RequestBuilder {
        self.request(Method::POST, path).json(json)
    }

    /// `PUT /kv` with this body as JSON.
    pub(crate) fn put_json(&self, body: &str) -> RequestBuilder {
        self.put("/kv", body.to_owned())
            .header("Content-Type", "application/json")
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes, closes the sending side, and returns everything that comes back.
    pub(crate) async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        stream.shutdown().await.unwrap();
        read_to_end(&mut stream).await
    }

    /// How many keys are stored.
    pub(crate) async fn items(&self) -> u64 {
        self.store.stats().await.unwrap().items
    }

    /// Asks the server to stop; the future completes when it has.
    pub(crate) fn stop(self) -> impl Future<Output = Result<(), StartError>> {
        self.stop.send(()).unwrap();
        async { timeout(DEADLINE, self.done).await.unwrap().unwrap() }
    }
}

fn config(options: &[&str]) -> Config {
    let fixed = ["--listen", "127.0.0.1:0", "--workers", "2"];
    Config::try_from_args(fixed.iter().chain(options)).unwrap()
}

/// A client for plain HTTP; it wants to know of TLS all the same.
pub(crate) fn client() -> Client {
    // An error says that another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(DEADLINE).build().unwrap()
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    // A reset after the answer is an end, too.
    let _ = read.expect("the server keeps the connection open");
    String::from_utf8(answer).unwrap()
}

/// The head of an answer.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(DEADLINE, stream.read_u8()).await;
        head.push(byte.expect("no answer").unwrap());
    }
    String::from_utf8(head).unwrap()
}
