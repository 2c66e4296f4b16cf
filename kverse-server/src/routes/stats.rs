//! What is stored, what is allowed, and what happened.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use kverse_store::tokens::{Target, Verb};
use kverse_store::wire::StatsResponse;
use prometheus::{Encoder, TextEncoder};

use super::Answer;
use crate::error::Failure;
use crate::extract::query;
use crate::state::State;

/// `GET /stats`
pub(crate) async fn stats(request: HttpRequest, state: Data<State>) -> Answer {
    let [] = query(&request, [])?;
    let store = state.authorize(&request, Verb::Monitor, Target::Service)?;
    let stats = store.stats().await?;
    Ok(HttpResponse::Ok().json(StatsResponse {
        items: stats.items,
        as_of: stats.as_of,
    }))
}

/// `GET /limits`
pub(crate) async fn limits(request: HttpRequest, state: Data<State>) -> Answer {
    let [] = query(&request, [])?;
    Ok(HttpResponse::Ok().json(state.limits))
}

/// `GET /metrics`
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
