//! The feed of changes: as a stream of events, or a page at a time.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::{ChangePage, ChangePosition, ChangesOptions, Error, KvStore, Prefix};
use kverse_store::tokens::Verb;
use kverse_store::wire::ChangesResponse;
use tokio::time::timeout;

use super::Answer;
use crate::error::Failure;
use crate::extract::{TEXT_EVENT_STREAM, query, single, wants_json};
use crate::openapi::parameters::{WatchHeaders, WatchQuery};
use crate::openapi::problems::{Gone, ReadProblems, Unsupported};
use crate::state::State;
use crate::watch::{Authorization, Follower, Watcher};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells Nginx to pass events on as they come.
static X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Tells what changes
///
/// As a stream of server-sent events (`put`, `delete`, `expire`, each with its position as `id`), which begins again with
/// `Last-Event-ID` or `since`; as a page, and the position where the next one begins, if `Accept` names
/// `application/json`. At least once, and in order for each key.
#[utoipa::path(
    method(get, head),
    path = "/watch",
    operation_id = "watch",
    tag = "keys",
    params(WatchQuery, WatchHeaders),
    responses(
        (
            status = 200,
            description = "The events, or a page of changes.",
            content((String = "text/event-stream"), (ChangesResponse = "application/json")),
        ),
        ReadProblems,
        Gone,
        Unsupported,
    )
)]
pub(crate) async fn watch(request: HttpRequest, state: Data<State>) -> Answer {
    let parameters = Parameters::parse(&request)?;
    authorize(&request, &state, &parameters)?;
    if !state.store().capabilities().changes {
        return Err(Error::no_changes().into());
    }
    if wants_json(request.headers()) {
        page(&request, &state, parameters).await
    } else {
        stream(request, state, parameters).await
    }
}

/// What is asked for.
struct Parameters {
    prefix: Prefix,
    since: Option<ChangePosition>,
    include_values: bool,
    limit: Option<usize>,
    wait: Option<Duration>,
}

impl Parameters {
    fn parse(request: &HttpRequest) -> Result<Self, Failure> {
        let names = ["prefix", "since", "include", "limit", "wait"];
        let [prefix, since, include, limit, wait] = query(request, names)?;
        let include_values = match include.as_deref() {
            None => false,
            Some("value") => true,
            Some(_) => {
                let detail = "unknown value of `include`; known here: `value`";
                return Err(Failure::invalid(detail));
            }
        };
        let since = since.as_deref().map(str::parse).transpose()?;
        // The header wins: a browser that connects again sends it with the URL that it was given at first.
        let resumed = single(request.headers(), &LAST_EVENT_ID, "malformed_header")?;
        let resumed = resumed.filter(|id| !id.is_empty()).map(str::parse);
        let since = resumed.transpose()?.or(since);
        let limit = limit.as_deref().map(|limit| match limit.parse() {
            Ok(number) if !limit.starts_with('+') => Ok(number),
            _ => Err(Failure::invalid("`limit` is not a number")),
        });
        Ok(Self {
            prefix: Prefix::new(prefix.unwrap_or_default())?,
            since,
            include_values,
            limit: limit.transpose()?,
            wait: wait.as_deref().map(parse_wait).transpose()?,
        })
    }
}

fn parse_wait(text: &str) -> Result<Duration, Failure> {
    let max = ChangesOptions::MAX_WAIT;
    match humantime::parse_duration(text) {
        Ok(wait) if wait <= max => Ok(wait),
        _ => Err(Failure::invalid(format!(
            "`wait` is not a duration such as 20s, at most {}s",
            max.as_secs()
        ))),
    }
}

fn authorize(request: &HttpRequest, state: &State, parameters: &Parameters) -> Result<(), Failure> {
    state.authorize(request, Verb::Watch, &parameters.prefix)?;
    if parameters.include_values {
        state.authorize(request, Verb::Read, &parameters.prefix)?;
    }
    Ok(())
}

/// One page, for which it waits if there is nothing to be told yet.
async fn page(request: &HttpRequest, state: &State, parameters: Parameters) -> Answer {
    if parameters.include_values {
        return Err(Failure::invalid(
            "`include` is for a stream of events: accept `text/event-stream`, or read the keys",
        ));
    }
    let store = state.authorize(request, Verb::Watch, &parameters.prefix)?;
    let options = ChangesOptions::new(parameters.prefix)
        .with_since(parameters.since)
        .with_limit(parameters.limit.unwrap_or(ChangesOptions::DEFAULT_LIMIT));
    let mut page = store.changes(options.clone()).await?;
    let wait = parameters.wait.unwrap_or_default();
    let until = Instant::now() + wait;
    // Without a position there is nothing to wait for: it is what was asked for.
    if !wait.is_zero() && options.since.is_some() && is_quiet(&page) {
        let _slot = state.watches.slot()?;
        let prefix = options.prefix.clone();
        let mut follower = Follower::since(&state.watches, store, prefix, page.position);
        let left = until.saturating_duration_since(Instant::now());
        match timeout(left, follower.next()).await {
            // That the server stops is no reason not to answer.
            Ok(Err(failure)) if failure.code() != "unavailable" => return Err(failure),
            _ => {
                page = store
                    .changes(options.with_since(Some(page.position)))
                    .await?
            }
        }
    }
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(ChangesResponse::from(page)))
}

fn is_quiet(page: &ChangePage) -> bool {
    page.changes.is_empty() && !page.more
}

/// Events for as long as the client stays.
async fn stream(request: HttpRequest, state: Data<State>, parameters: Parameters) -> Answer {
    if parameters.limit.is_some() || parameters.wait.is_some() {
        return Err(Failure::invalid(
            "`limit` and `wait` are for a page: accept `application/json`",
        ));
    }
    let store = state.authorize(&request, Verb::Watch, &parameters.prefix)?;
    let hub = &state.watches;
    let slot = hub.slot()?;
    let prefix = parameters.prefix.clone();
    let follower = match parameters.since {
        None => Follower::from_now(hub, store, prefix).await?,
        Some(since) => {
            check(&**store, since).await?;
            Follower::since(hub, store, prefix, since)
        }
    };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, TEXT_EVENT_STREAM))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING.clone(), "no"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let values = parameters.include_values.then(|| Arc::clone(store));
    let heartbeat = state.watch_heartbeat;
    let asked = Rc::new((request, state, parameters));
    let authorization: Authorization = Box::new(move || {
        let asked = Rc::clone(&asked);
        Box::pin(async move {
            let (request, state, parameters) = &*asked;
            state.access.readmit(request).await?;
            authorize(request, state, parameters)
        })
    });
    let watcher = Watcher::new(follower, authorization, heartbeat, slot).with_values(values);
    Ok(response.streaming(watcher.into_stream()))
}

/// Whether the feed can be read on from here: later, there is no status to say that it cannot.
async fn check(store: &dyn KvStore, since: ChangePosition) -> Result<(), Failure> {
    let options = ChangesOptions::new(Prefix::default())
        .with_since(Some(since))
        .with_limit(1);
    store.changes(options).await?;
    Ok(())
}
