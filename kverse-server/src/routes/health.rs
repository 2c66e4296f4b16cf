//! Whether the service can serve.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::{ComponentHealth, Error, ErrorKind, Result};
use kverse_store::wire::{CheckResponse, Problem, ReadyResponse};

use super::Answer;
use crate::extract::query;
use crate::openapi::problems::{Internal, InvalidInput, StoreProblems, Timeout};
use crate::openapi::schemas::{OkResponse, ReadyBody};
use crate::state::State;

/// How long the checks may take before they count as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
const OK: &str = r#"{"status":"ok"}"#;

fn ok() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OK)
}

/// Whether the process answers
///
/// Nothing else is looked at.
#[utoipa::path(
    method(get, head),
    path = "/livez",
    operation_id = "get_livez",
    tag = "service",
    responses((status = 200, description = "It does.", body = OkResponse), InvalidInput)
)]
pub(crate) async fn livez(request: HttpRequest) -> Answer {
    let [] = query(&request, [])?;
    Ok(ok())
}

/// Whether the service works
///
/// That is every component that is required.
#[utoipa::path(
    method(get, head),
    path = "/health",
    operation_id = "get_health",
    tag = "service",
    responses((status = 200, description = "It does.", body = OkResponse), StoreProblems)
)]
pub(crate) async fn health(request: HttpRequest, state: Data<State>) -> Answer {
    let [] = query(&request, [])?;
    for check in check(&state).await? {
        healthy(&check)?;
    }
    Ok(ok())
}

/// Whether the service works, check by check
#[utoipa::path(
    method(get, head),
    path = "/readyz",
    operation_id = "get_readyz",
    tag = "service",
    params(("verbose" = Option<String>, Query, description = "Given, with any value: the answer names the checks.")),
    responses(
        (status = 200, description = "It does; with `verbose`, the checks.", body = ReadyBody),
        (
            status = 503,
            description = "It does not: a problem body, or with `verbose` the checks.",
            content((Problem = "application/problem+json"), (ReadyResponse = "application/json")),
        ),
        InvalidInput,
        Internal,
        Timeout,
    )
)]
pub(crate) async fn readyz(request: HttpRequest, state: Data<State>) -> Answer {
    let [verbose] = query(&request, ["verbose"])?;
    let checks = check(&state).await?;
    let failed = checks.iter().find_map(|check| healthy(check).err());
    if verbose.is_none() {
        return failed.map_or_else(|| Ok(ok()), |error| Err(error.into()));
    }
    let mut response = match &failed {
        None => HttpResponse::Ok(),
        Some(_) => HttpResponse::ServiceUnavailable(),
    };
    let checks = checks.iter().map(|check| CheckResponse {
        name: check.name.to_string(),
        status: status(check.result.is_ok()),
        detail: detail(check),
        duration_ms: check.elapsed.as_secs_f64() * 1e3,
    });
    Ok(response.json(ReadyResponse {
        status: status(failed.is_none()),
        checks: checks.collect(),
    }))
}

/// The error, if there is one, and what else there is to say.
fn detail(check: &ComponentHealth) -> Option<String> {
    match (&check.result, &check.detail) {
        (Ok(()), detail) => detail.clone(),
        (Err(error), None) => Some(error.to_string()),
        (Err(error), Some(detail)) => Some(format!("{error} ({detail})")),
    }
}

fn status(ok: bool) -> String {
    if ok { "ok" } else { "unavailable" }.to_owned()
}

async fn check(state: &State) -> Result<Vec<ComponentHealth>> {
    let checks = tokio::time::timeout(CHECK_TIMEOUT, state.store().check()).await;
    checks.map_err(|elapsed| {
        let message = format!("the checks took longer than {CHECK_TIMEOUT:?}");
        Error::new(ErrorKind::Unavailable, message).with_source(elapsed)
    })
}

fn healthy(check: &ComponentHealth) -> Result<()> {
    let error = match &check.result {
        Err(error) if check.required => error,
        Ok(()) | Err(_) => return Ok(()),
    };
    let message = format!("{}: {error}", check.name);
    Err(Error::new(ErrorKind::Unavailable, message).with_source(error.clone()))
}
