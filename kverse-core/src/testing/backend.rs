//! What the suite runs on.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Clock, KvStore, ManualClock, SystemClock};

/// A place where stores are opened: what the suite needs from a store under test.
///
/// Whatever it started ends when it is dropped. It panics if it cannot do what is asked.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Opens a fresh, empty store that no other test uses.
    async fn start() -> Self
    where
        Self: Sized;

    /// The open store.
    fn store(&self) -> Arc<dyn KvStore>;

    /// The clock that the store runs on, if a test can set it. Declared to the macro as `clocked`. Default: none.
    fn clock(&self) -> Option<Arc<ManualClock>> {
        None
    }

    /// Lets at least this much time pass by the store's clock. Default: sets [`clock`](Self::clock) forward, and sleeps
    /// where there is none.
    async fn advance(&mut self, duration: Duration) {
        match self.clock() {
            Some(clock) => clock.advance(duration),
            None => tokio::time::sleep(duration).await,
        }
    }

    /// Closes the store and opens it again on the same data, with the same clock; the suite has dropped every handle of
    /// the store before. Whether it did: a store that keeps nothing cannot. Declared to the macro as `durable`.
    /// Default: it cannot.
    async fn restart(&mut self) -> bool {
        false
    }
}

/// A started [`Backend`] of any type: what the behaviours are given, so that they are compiled once, not for each backend.
pub struct AnyBackend {
    backend: Box<dyn Backend>,
    start: fn() -> Starting,
}

type Starting = Pin<Box<dyn Future<Output = AnyBackend> + Send>>;

impl AnyBackend {
    fn start<B: Backend>() -> Starting {
        Box::pin(async {
            Self {
                backend: Box::new(B::start().await),
                start: Self::start::<B>,
            }
        })
    }

    /// Starts a fresh backend of the same type.
    pub async fn start_another(&self) -> Self {
        (self.start)().await
    }
}

impl Deref for AnyBackend {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        &*self.backend
    }
}

impl DerefMut for AnyBackend {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.backend
    }
}

/// Puts a wrapper around a store, so that [`Wrapped`] can run the suite on it.
pub trait Wrap: Send + Sync + 'static {
    /// The wrapper over `store`, whose clock is `clock`. Called within a Tokio runtime.
    fn wrap(store: Arc<dyn KvStore>, clock: Arc<dyn Clock>) -> Arc<dyn KvStore>;
}

/// The backend `B` with the wrapper `W` around its store. Nests: `Wrapped<Wrapped<B, Inner>, Outer>`.
#[derive(Debug)]
pub struct Wrapped<B, W> {
    // Before `backend`: the wrapper ends before the store that it stands on. `None` only while that restarts.
    store: Option<Arc<dyn KvStore>>,
    backend: B,
    wrapper: PhantomData<fn() -> W>,
}

impl<B: Backend, W: Wrap> Wrapped<B, W> {
    fn wrap(&mut self) {
        let clock: Arc<dyn Clock> = match self.backend.clock() {
            Some(clock) => clock,
            None => Arc::new(SystemClock),
        };
        self.store = Some(W::wrap(self.backend.store(), clock));
    }
}

#[async_trait]
impl<B: Backend, W: Wrap> Backend for Wrapped<B, W> {
    async fn start() -> Self {
        let mut wrapped = Self {
            store: None,
            backend: B::start().await,
            wrapper: PhantomData,
        };
        wrapped.wrap();
        wrapped
    }

    fn store(&self) -> Arc<dyn KvStore> {
        Arc::clone(self.store.as_ref().expect("open except during a restart"))
    }

    fn clock(&self) -> Option<Arc<ManualClock>> {
        self.backend.clock()
    }

    async fn advance(&mut self, duration: Duration) {
        self.backend.advance(duration).await;
    }

    async fn restart(&mut self) -> bool {
        self.store = None;
        let restarted = self.backend.restart().await;
        self.wrap();
        restarted
    }
}

/// A behaviour of the suite, on a backend that was started for it.
pub type Behaviour = for<'a> fn(&'a mut AnyBackend) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs one behaviour on a fresh backend, on a runtime of its own with several threads.
///
/// # Panics
/// If the behaviour does not hold, or does not end within two minutes.
pub fn run<B: Backend>(behaviour: Behaviour) {
    run_on(AnyBackend::start::<B>(), behaviour);
}

fn run_on(backend: Starting, behaviour: Behaviour) {
    const TIMEOUT: Duration = Duration::from_secs(120);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let test = async {
            let mut backend = backend.await;
            behaviour(&mut backend).await;
        };
        let ended = tokio::time::timeout(TIMEOUT, Box::pin(test)).await;
        assert!(ended.is_ok(), "not done after {TIMEOUT:?}");
    });
}
