//! The body of the answer to one watcher.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::ResponseError;
use actix_web::http::StatusCode;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, Stream};
use kverse_core::{ChangeKind, KvStore, KvStoreExt};
use tokio::time::{Instant, Sleep, sleep};

use super::event::{self, Event};
use super::follower::Follower;
use super::hub::Slot;
use crate::error::Failure;

/// After which pause clients are asked to connect again.
const RETRY: Duration = Duration::from_secs(1);
/// How old the last look may be at whether the client may still see what it is sent.
const AUTHORIZED_FOR: Duration = Duration::from_secs(1);
/// The pause before a value is read again that could not be.
const PAUSE: Duration = Duration::from_millis(200);

/// Whether the client may watch what it watches.
pub(crate) type Authorization = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(), Failure>>>;

/// One watcher.
pub(crate) struct Watcher {
    follower: Follower,
    /// Where values are read, if the client wants them.
    values: Option<Arc<dyn KvStore>>,
    /// What is to be sent next.
    event: Option<Arc<Event>>,
    authorization: Authorization,
    authorized_at: Instant,
    heartbeat: Duration,
    silence: Pin<Box<Sleep>>,
    _slot: Slot,
}

impl Watcher {
    /// Sends what the follower has, and a sign of life after each `heartbeat` without anything. The client was authorized
    /// just now.
    pub(crate) fn new(
        follower: Follower,
        authorization: Authorization,
        heartbeat: Duration,
        slot: Slot,
    ) -> Self {
        Self {
            follower,
            values: None,
            event: None,
            authorization,
            authorized_at: Instant::now(),
            heartbeat,
            silence: Box::pin(sleep(heartbeat)),
            _slot: slot,
        }
    }

    /// The same with what was stored, read from here.
    pub(crate) fn with_values(mut self, store: Option<Arc<dyn KvStore>>) -> Self {
        self.values = store;
        self
    }

    /// The body. It does not fail: why it ends is its last event.
    pub(crate) fn into_stream(mut self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let opening = event::opening(self.follower.position(), RETRY);
        stream::unfold((Some(self), Some(opening)), async |(watcher, opening)| {
            let mut watcher = watcher?;
            if let Some(opening) = opening {
                return Some((Ok(opening), (Some(watcher), None)));
            }
            match watcher.next().await {
                Ok(block) => Some((Ok(block), (Some(watcher), None))),
                Err(failure) => {
                    log(&failure);
                    Some((Ok(event::last(&failure)), (None, None)))
                }
            }
        })
    }

    async fn next(&mut self) -> Result<Bytes, Failure> {
        let (block, is_event) = tokio::select! {
            biased;
            block = next_event(&mut self.follower, &mut self.event, self.values.as_deref()) => {
                let block = block?;
                self.event = None;
                (block, true)
            }
            () = &mut self.silence => {
                // An event that waits for its value is not past yet.
                let position = self.event.is_none().then(|| self.follower.position());
                (event::heartbeat(position), false)
            }
        };
        if self.authorized_at.elapsed() > AUTHORIZED_FOR {
            self.authorize(is_event).await?;
        }
        self.silence.as_mut().reset(Instant::now() + self.heartbeat);
        Ok(block)
    }

    /// Looks whether the client may still watch. An event waits until that is known.
    async fn authorize(&mut self, is_event: bool) -> Result<(), Failure> {
        let asked_at = Instant::now();
        loop {
            match (self.authorization)().await {
                Ok(()) => {
                    self.authorized_at = asked_at;
                    return Ok(());
                }
                Err(failure) if failure.status_code() != StatusCode::SERVICE_UNAVAILABLE => {
                    return Err(failure);
                }
                Err(_) if is_event => sleep(PAUSE).await,
                Err(_) => return Ok(()),
            }
        }
    }
}

/// The next event as it is sent. May be dropped and called again: the event is kept until then.
async fn next_event(
    follower: &mut Follower,
    event: &mut Option<Arc<Event>>,
    values: Option<&dyn KvStore>,
) -> Result<Bytes, Failure> {
    let event = match event {
        Some(event) => event,
        None => event.insert(follower.next().await?),
    };
    let Some(store) = values.filter(|_| event.kind == ChangeKind::Put) else {
        return Ok(event.text.clone());
    };
    loop {
        match store.get(&event.key).await {
            Ok(Some(entry)) if entry.version == event.version => return event.with_entry(&entry),
            Ok(_) => return Ok(event.text.clone()),
            Err(error) if error.is_retryable() => sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

fn log(failure: &Failure) {
    let code = failure.code();
    if failure.status_code() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(code, error = %failure, cause = failure.source(), "a watch failed");
    } else {
        tracing::debug!(code, error = %failure, "a watch ended");
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("follower", &self.follower)
            .finish_non_exhaustive()
    }
}
