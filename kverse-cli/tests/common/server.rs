//! A server for the binary.

use std::net::TcpListener;
use std::thread::JoinHandle;

use kverse_server::{Config, run};
use tokio::sync::oneshot;

/// A server in this process, on a port of its own, that ends when it is dropped.
pub(crate) struct TestServer {
    pub(crate) url: String,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// A server that was given these arguments.
    pub(crate) fn start(args: &[&str]) -> Self {
        let config = Config::try_from_args(args.iter().chain(&["--workers", "1"])).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (shutdown, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            runtime.block_on(run(&config, listener, stopped)).unwrap();
        });
        Self {
            url,
            shutdown: Some(shutdown),
            thread: Some(thread),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server failed");
        }
    }
}
