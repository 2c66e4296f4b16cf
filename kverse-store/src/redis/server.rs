//! One link to Redis for each tokio runtime.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use deadpool_redis::{Manager, Pool};
use kverse_core::cached::CacheError;
use redis::{AsyncConnectionConfig, ConnectionInfo, ErrorKind, RedisError, Value, cmd};
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

use super::breaker::{Breaker, Permission};
use super::commands::{Command, Names, Request};
use super::error;
use super::link::{Link, LinkError};
use super::metrics::Metrics;
use super::options::RedisOptions;
use super::place::Place;

/// The server, and the links to it. A link is driven by a task on the runtime that opened it, so each runtime has its own:
/// with one event loop a thread, requests never cross threads.
pub(super) struct Server {
    pool: Pool,
    pub(super) place: Place,
    /// The beginning of the names of keys.
    prefix: String,
    command_timeout: Duration,
    breaker: Breaker,
    pub(super) metrics: Arc<Metrics>,
    slots: RwLock<HashMap<Id, Arc<Slot>>>,
    /// The newest epoch that was found alive, and on which process.
    alive: Mutex<Option<(u64, String)>>,
}

/// The link of a runtime, if it has one now.
struct Slot {
    link: RwLock<Option<Arc<Link>>>,
    connecting: tokio::sync::Mutex<()>,
    /// Ends the task that waits for the end of the runtime.
    _in_use: oneshot::Sender<()>,
}

/// Why a request got no answer.
enum Failure {
    Redis(RedisError),
    /// The server does not hold the epoch.
    Epoch(CacheError),
}

impl Server {
    /// How many runtimes may connect at the same time.
    const CONNECTING: usize = 16;
    /// How many requests of a runtime may wait to be written to its link before the next has to wait for its turn, which
    /// costs it another wake-up.
    const WAITING: usize = 1024;

    pub(super) fn new(
        address: ConnectionInfo,
        place: Place,
        options: &RedisOptions,
        metrics: Arc<Metrics>,
    ) -> Result<Self, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(Some(options.command_timeout))
            .set_pipeline_buffer_size(Self::WAITING);
        let manager = Manager::new_with_config(address, config)?;
        let pool = Pool::builder(manager).max_size(Self::CONNECTING);
        // Fails only for time-outs without a runtime, and there are none.
        let pool = pool.build().map_err(|error| {
            RedisError::from((ErrorKind::InvalidClientConfig, "pool", error.to_string()))
        })?;
        Ok(Self {
            pool,
            prefix: place.name(),
            place,
            command_timeout: options.command_timeout,
            breaker: Breaker::default(),
            metrics,
            slots: RwLock::default(),
            alive: Mutex::default(),
        })
    }

    /// Where Redis keeps the keys of an epoch.
    pub(super) fn names(&self, epoch: u64) -> Names {
        Names([&self.prefix, ":", &epoch.to_string(), ":"].concat())
    }

    /// Opens the link of the current runtime, whatever the breaker says.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Arc<Link>, LinkError> {
        let link = self.open_link().await?;
        Ok(self.slot().set(link))
    }

    async fn open_link(&self) -> Result<Link, LinkError> {
        Link::open(&self.pool, &self.place.process, &self.metrics.connections).await
    }

    /// Sends a request that belongs to an epoch. It is made for the link that it goes by; if that turns out to be closed,
    /// it is sent once more by a new one.
    pub(super) async fn query<'a>(
        self: &Arc<Self>,
        epoch: u64,
        command: Command,
        request: impl Fn(&Link) -> Request<'a>,
    ) -> Result<Value, CacheError> {
        let start = Instant::now();
        let result = self.attempt(Some(epoch), request).await;
        self.measured(command, start, result)
    }

    /// Sends a request that belongs to no epoch, once.
    pub(super) async fn query_any<'a>(
        self: &Arc<Self>,
        command: Command,
        request: impl Fn(&Link) -> Request<'a>,
    ) -> Result<Value, CacheError> {
        let start = Instant::now();
        let result = self.attempt(None, request).await;
        self.measured(command, start, result)
    }

    /// Takes note of how a command went. Is not given the future of the command: it would be in memory twice.
    fn measured<T>(
        &self,
        command: Command,
        start: Instant,
        result: Result<T, CacheError>,
    ) -> Result<T, CacheError> {
        let duration = start.elapsed().as_secs_f64();
        self.metrics.duration(command).observe(duration);
        if let Err(error) = &result {
            self.metrics.failed(error::label(error));
        }
        result
    }

    async fn attempt<'a>(
        self: &Arc<Self>,
        epoch: Option<u64>,
        request: impl Fn(&Link) -> Request<'a>,
    ) -> Result<Value, CacheError> {
        self.permit()?;
        let slot = self.slot();
        let mut may_resend = epoch.is_some();
        loop {
            let (link, is_new) = match slot.get() {
                Some(link) => (link, false),
                None => (Box::pin(self.reconnect(&slot)).await?, true),
            };
            let failure = match self.exchange(&link, epoch, &request).await {
                Ok(value) => {
                    self.breaker.succeeded();
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            let error = match failure {
                Failure::Epoch(error) => return Err(error),
                Failure::Redis(error) => error,
            };
            if error::is_broken(&error) {
                slot.remove(&link);
                if error.is_connection_dropped() && !is_new && may_resend {
                    may_resend = false;
                    continue;
                }
            }
            let error = error::from_redis(&error);
            if matches!(error, CacheError::Unreachable(_)) {
                self.breaker.failed();
            }
            return Err(error);
        }
    }

    async fn exchange<'a>(
        &self,
        link: &Link,
        epoch: Option<u64>,
        request: &impl Fn(&Link) -> Request<'a>,
    ) -> Result<Value, Failure> {
        let connection = &mut link.connection();
        if let Some(epoch) = epoch
            && !link.is_verified(epoch)
        {
            let mut get = cmd("GET");
            get.arg(self.names(epoch).sentinel());
            let alive = Box::pin(get.query_async(connection)).await;
            self.verify(link, epoch, alive.map_err(Failure::Redis)?)
                .map_err(Failure::Epoch)?;
        }
        let request = request(link);
        request.send(connection).await.map_err(Failure::Redis)
    }

    /// Whether the process at the other end holds the epoch, given the sentinel found there. After this plain gets may be
    /// trusted: the process is the one that all writers of the epoch mark their writes in, and stays it as long as the
    /// link lives.
    fn verify(&self, link: &Link, epoch: u64, alive: Option<String>) -> Result<(), CacheError> {
        let mut known = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        match alive {
            Some(identity) if identity == link.identity() => {
                *known = Some((epoch, identity));
                link.set_verified(epoch);
                Ok(())
            }
            // Kept through a restart, or copied from another server.
            Some(_) => Err(CacheError::Restarted),
            None => match &*known {
                Some((known, identity)) if *known == epoch && identity != link.identity() => {
                    Err(CacheError::Restarted)
                }
                _ => Err(CacheError::NoEpoch),
            },
        }
    }

    /// A link that has just answered. Asks in any case: if the server answers, others may ask again too.
    pub(super) async fn live_link(self: &Arc<Self>) -> Result<Arc<Link>, CacheError> {
        let slot = self.slot();
        let asked = async {
            if let Some(link) = slot.get() {
                let answer: Result<Value, _> =
                    cmd("PING").query_async(&mut link.connection()).await;
                match answer {
                    Ok(_) => return Ok(link),
                    Err(error) => {
                        slot.remove(&link);
                        if !error.is_connection_dropped() {
                            return Err(error::from_redis(&error));
                        }
                    }
                }
            }
            self.reconnect(&slot).await
        };
        let result = asked.await;
        match &result {
            Ok(_) => self.breaker.probed(true),
            Err(error) => self.failed(error),
        }
        result
    }

    /// Takes note of a server that could not be asked. One that is another process now does answer.
    fn failed(&self, error: &CacheError) {
        if matches!(error, CacheError::Restarted) {
            self.breaker.replaced();
        } else {
            self.breaker.failed();
        }
    }

    /// Whether requests fail at once, because others did.
    pub(super) fn is_given_up(&self) -> bool {
        self.breaker.is_open()
    }

    /// Keeps requests from waiting for a server that does not answer.
    fn permit(self: &Arc<Self>) -> Result<(), CacheError> {
        match self.breaker.permission() {
            Permission::Ask => return Ok(()),
            Permission::Probe => {
                let probe = Probe {
                    server: Arc::clone(self),
                    answered: false,
                };
                tokio::spawn(async move {
                    // As a whole: its parts would be captured one by one, without its drop.
                    let mut probe = probe;
                    probe.answered = probe.server.live_link().await.is_ok();
                });
            }
            Permission::FailFast => {}
        }
        Err(CacheError::Unreachable(
            "it failed several times and is left alone for a moment".to_owned(),
        ))
    }

    /// A new link for the current runtime, made once for all who want it, in a task of its own: it may take longer than a
    /// request may wait.
    async fn reconnect(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<Arc<Link>, CacheError> {
        let (server, slot, wanted) = (Arc::clone(self), Arc::clone(slot), Instant::now());
        let connecting = tokio::spawn(async move {
            let _turn = slot.connecting.lock().await;
            if let Some(link) = slot.get() {
                return Ok(link);
            }
            if server.breaker.failed_since(wanted) {
                let reason = "another attempt to connect just failed".to_owned();
                return Err(CacheError::Unreachable(reason));
            }
            let opened = server.open_link().await;
            opened.map(|link| slot.set(link)).map_err(|error| {
                let error = error.to_cache_error();
                server.failed(&error);
                error
            })
        });
        match tokio::time::timeout(self.command_timeout, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(ended)) => Err(CacheError::Unreachable(ended.to_string())),
            Err(elapsed) => {
                self.breaker.failed();
                Err(CacheError::Unreachable(format!("connecting: {elapsed}")))
            }
        }
    }

    /// The place of the current runtime.
    fn slot(self: &Arc<Self>) -> Arc<Slot> {
        let id = Handle::current().id();
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&id) {
            return Arc::clone(slot);
        }
        drop(slots);
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(id).or_insert_with(|| {
            let (in_use, unused) = oneshot::channel();
            let leave = Leave {
                server: Arc::downgrade(self),
                runtime: id,
            };
            tokio::spawn(async move {
                let _leave = leave;
                // Ends with an error, when the slot goes, or not at all: then with the runtime.
                let _ = unused.await;
            });
            Arc::new(Slot {
                link: RwLock::default(),
                connecting: tokio::sync::Mutex::default(),
                _in_use: in_use,
            })
        });
        Arc::clone(slot)
    }
}

impl Slot {
    fn get(&self) -> Option<Arc<Link>> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().map(Arc::clone)
    }

    fn set(&self, link: Link) -> Arc<Link> {
        let link = Arc::new(link);
        let mut place = self.link.write().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::clone(&link));
        link
    }

    /// Gives this link up; another may have done so and have made a new one.
    fn remove(&self, link: &Arc<Link>) {
        let mut place = self.link.write().unwrap_or_else(PoisonError::into_inner);
        if place.as_ref().is_some_and(|now| Arc::ptr_eq(now, link)) {
            *place = None;
        }
    }
}

/// Tells the breaker how a probe went, also if the runtime ends before it does.
struct Probe {
    server: Arc<Server>,
    answered: bool,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.server.breaker.probed(self.answered);
    }
}

/// Removes the slot of a runtime when it ends: its link is dead.
struct Leave {
    server: Weak<Server>,
    runtime: Id,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(server) = self.server.upgrade() {
            let mut slots = server.slots.write().unwrap_or_else(PoisonError::into_inner);
            slots.remove(&self.runtime);
        }
    }
}
