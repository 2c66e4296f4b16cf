//! A network that can fail.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A TCP proxy between a client and a server that a test can cut, hold or break at a chosen moment. It ends when it is
/// dropped.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    /// Connections with an older number are cut.
    generation: watch::Sender<u64>,
    refusing: AtomicBool,
    held: watch::Sender<bool>,
    trigger: Mutex<Option<Trigger>>,
}

/// What to do once a client has sent some bytes.
#[derive(Debug)]
struct Trigger {
    bytes: Vec<u8>,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    CutAfter,
    CutBefore,
    HoldBefore,
}

impl TcpProxy {
    /// Starts a proxy to the server at `target`, on a free port of the loopback interface. Must be called within a tokio
    /// runtime.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target,
            generation: watch::Sender::new(0),
            refusing: AtomicBool::new(false),
            held: watch::Sender::new(false),
            trigger: Mutex::new(None),
        });
        let accepting = Arc::clone(&shared);
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&accepting).serve(client));
            }
        });
        Self {
            address,
            shared,
            listener,
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections; new ones are served.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Cuts all connections and refuses new ones, until [`mend`](Self::mend).
    pub fn refuse(&self) {
        self.shared.refusing.store(true, Ordering::SeqCst);
        self.shared.cut();
    }

    /// Keeps connections open but passes nothing on, until [`mend`](Self::mend).
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Serves again, and passes on what was held.
    pub fn mend(&self) {
        self.shared.refusing.store(false, Ordering::SeqCst);
        self.shared.held.send_replace(false);
    }

    /// Cuts all connections once a client has sent these bytes (within one packet): the server still gets them, the
    /// client gets no answer. Once only.
    pub fn cut_after(&self, bytes: impl Into<Vec<u8>>) {
        self.set_trigger(bytes.into(), Action::CutAfter);
    }

    /// Cuts all connections once a client has sent these bytes (within one packet), which the server does not get. Once
    /// only.
    pub fn cut_before(&self, bytes: impl Into<Vec<u8>>) {
        self.set_trigger(bytes.into(), Action::CutBefore);
    }

    /// Holds everything, as [`hold`](Self::hold) does, once a client has sent these bytes (within one packet), which the
    /// server gets after [`mend`](Self::mend). Once only.
    pub fn hold_before(&self, bytes: impl Into<Vec<u8>>) {
        self.set_trigger(bytes.into(), Action::HoldBefore);
    }

    /// Whether what [`cut_after`](Self::cut_after), [`cut_before`](Self::cut_before) or
    /// [`hold_before`](Self::hold_before) waits for has come.
    pub fn has_triggered(&self) -> bool {
        self.shared.trigger.lock().unwrap().is_none()
    }

    fn set_trigger(&self, bytes: Vec<u8>, action: Action) {
        *self.shared.trigger.lock().unwrap() = Some(Trigger { bytes, action });
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.shared.cut();
    }
}

impl Shared {
    fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    async fn serve(self: Arc<Self>, client: TcpStream) {
        let mut generation = self.generation.subscribe();
        generation.mark_unchanged();
        if self.refusing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.target).await else {
            return;
        };
        // Either end may have gone already.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let requests = self.pass(client_read, server_write, true);
        let answers = self.pass(server_read, client_write, false);
        tokio::select! {
            _ = generation.changed() => {}
            () = requests => {}
            () = answers => {}
        }
    }

    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_request: bool) {
        let mut buffer = vec![0; 64 << 10];
        let mut held = self.held.subscribe();
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let bytes = &buffer[..count];
            let triggered = is_request.then(|| self.triggered(bytes)).flatten();
            if triggered == Some(Action::HoldBefore) {
                self.held.send_replace(true);
            }
            if held.wait_for(|held| !held).await.is_err() {
                return;
            }
            if triggered != Some(Action::CutBefore) && to.write_all(bytes).await.is_err() {
                return;
            }
            if matches!(triggered, Some(Action::CutAfter | Action::CutBefore)) {
                self.cut();
                // What the server answers must not slip through before the cut.
                return;
            }
        }
    }

    /// What to do, if the bytes are those that are waited for.
    fn triggered(&self, bytes: &[u8]) -> Option<Action> {
        let mut trigger = self.trigger.lock().unwrap();
        let action = trigger.as_ref().and_then(|trigger| {
            let mut windows = bytes.windows(trigger.bytes.len());
            windows
                .any(|window| window == trigger.bytes)
                .then_some(trigger.action)
        });
        if action.is_some() {
            *trigger = None;
        }
        action
    }
}
