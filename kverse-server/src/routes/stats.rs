//! What is stored, what is allowed, and what happened.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::Limits;
use kverse_store::tokens::{Target, Verb};
use kverse_store::wire::StatsResponse;
use prometheus::{Encoder, TextEncoder};

use super::Answer;
use crate::error::Failure;
use crate::extract::query;
use crate::openapi::problems::{InvalidInput, StoreProblems};
use crate::state::State;

/// What is stored
#[utoipa::path(
    method(get, head),
    path = "/stats",
    operation_id = "get_stats",
    tag = "service",
    responses((status = 200, description = "Counted at most some seconds ago.", body = StatsResponse), StoreProblems)
)]
pub(crate) async fn stats(request: HttpRequest, state: Data<State>) -> Answer {
    let [] = query(&request, [])?;
    let store = state.authorize(&request, Verb::Monitor, Target::Service)?;
    let stats = store.stats().await?;
    Ok(HttpResponse::Ok().json(StatsResponse {
        items: stats.items,
        as_of: stats.as_of,
    }))
}

/// The limits in force
#[utoipa::path(
    method(get, head),
    path = "/limits",
    operation_id = "get_limits",
    tag = "service",
    responses((status = 200, description = "The limits.", body = Limits), InvalidInput)
)]
pub(crate) async fn limits(request: HttpRequest, state: Data<State>) -> Answer {
    let [] = query(&request, [])?;
    Ok(HttpResponse::Ok().json(state.limits))
}

/// Metrics for Prometheus
#[utoipa::path(
    method(get, head),
    path = "/metrics",
    operation_id = "get_metrics",
    tag = "service",
    responses(
        (status = 200, description = "The text format of Prometheus.", body = String, content_type = "text/plain"),
        InvalidInput,
    )
)]
pub(crate) async fn metrics(request: HttpRequest, state: Data<State>) -> Answer {
    let [] = query(&request, [])?;
    state.authorize(&request, Verb::Monitor, Target::Service)?;
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    encoder
        .encode(&state.metrics.gather(), &mut text)
        .map_err(Failure::internal)?;
    Ok(HttpResponse::Ok()
        .content_type(encoder.format_type())
        .body(text))
}
