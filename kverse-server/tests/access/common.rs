//! A server that asks for tokens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kverse_core::{KvStore, ManualClock, MemoryStore};
use kverse_server::{Config, StartError, bind, run, serve};
use kverse_store::Opened;
use prometheus::Registry;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A token that may do everything.
pub(crate) const ROOT: &str = "kv_root_0123456789abcdefghijklmnopqrstuvwxyz";

/// A server that ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    _stop: oneshot::Sender<()>,
    _done: JoinHandle<Result<(), StartError>>,
    _directory: TempDir,
}

impl Server {
    /// On an SQLite file, with [`ROOT`].
    pub(crate) fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("kverse.db").display());
        Self::start_at(&url, options, directory)
    }

    /// On another database, with [`ROOT`].
    pub(crate) fn start_on(url: &str, options: &[&str]) -> Self {
        Self::start_at(url, options, tempfile::tempdir().unwrap())
    }

    fn start_at(url: &str, options: &[&str], directory: TempDir) -> Self {
        let root = directory.path().join("root");
        std::fs::write(&root, format!("{ROOT}\n")).unwrap();
        let root = ["--bootstrap-token-file", root.to_str().unwrap()];
        let config = config(&[&["--database-url", url], &root, options].concat());
        Self::spawn(directory, &config.clone(), |listener, stopped| async move {
            run(&config, listener, stopped).await
        })
    }

    /// On this store, with its tokens.
    pub(crate) fn serve(opened: Opened) -> Self {
        Self::serve_with(opened, &["--auth", "tokens"])
    }

    /// On this store, for everyone.
    pub(crate) fn serve_anonymous(opened: Opened, options: &[&str]) -> Self {
        Self::serve_with(opened, options)
    }

    fn serve_with(opened: Opened, options: &[&str]) -> Self {
        let config = config(options);
        let directory = tempfile::tempdir().unwrap();
        Self::spawn(directory, &config.clone(), |listener, stopped| async move {
            serve(opened, Registry::new(), &config, listener, stopped).await
        })
    }

    fn spawn<F: Future<Output = Result<(), StartError>> + Send + 'static>(
        directory: TempDir,
        config: &Config,
        run: impl FnOnce(std::net::TcpListener, futures_util::future::BoxFuture<'static, ()>) -> F,
    ) -> Self {
        let listener = bind(config.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            // A dropped server stops as well.
            let _ = stopped.await;
        };
        Self {
            address,
            client: client(),
            _stop: stop,
            _done: tokio::spawn(run(listener, Box::pin(stopped))),
            _directory: directory,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("http://{}{path}", self.address));
        if token.is_empty() {
            return request;
        }
        request.bearer_auth(token)
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path, token).send().await.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, token: &str) -> Response {
        let request = self.request(Method::PUT, path, token);
        request.body("v").send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Response {
        let request = self.request(Method::DELETE, path, token);
        request.send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        let request = self.request(Method::POST, path, token);
        request.json(body).send().await.unwrap()
    }

    /// Makes a token with these scopes; its answer.
    pub(crate) async fn create(&self, scopes: Value) -> Value {
        let body = json!({"name": "test", "scopes": scopes});
        let response = self.post("/tokens", ROOT, &body).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    /// The text of a token with these scopes.
    pub(crate) async fn token(&self, scopes: Value) -> String {
        let created = self.create(scopes).await;
        created["token"].as_str().unwrap().to_owned()
    }
}

/// The status and the problem of an answer.
pub(crate) async fn problem(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

pub(crate) fn config(options: &[&str]) -> Config {
    let fixed = ["--listen", "127.0.0.1:0", "--workers", "1"];
    Config::try_from_args(fixed.iter().chain(options)).unwrap()
}

pub(crate) fn client() -> Client {
    // An error says that another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(DEADLINE).build().unwrap()
}

/// A store in memory.
pub(crate) fn memory(clock: &Arc<ManualClock>) -> Arc<dyn KvStore> {
    let limits = kverse_core::Limits::default();
    Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(clock), limits))
}
