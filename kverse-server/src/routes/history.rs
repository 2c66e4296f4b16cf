//! What this server did over the last minutes.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::{Clock, SystemClock, Timestamp};
use kverse_store::tokens::{Target, Verb};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::extract::query;
use crate::history::{self, CacheMode, Sample};
use crate::openapi::problems::InvalidInput;
use crate::state::State;

/// What one server did over the last 15 minutes.
#[derive(Debug, Serialize, ToSchema)]
struct HistoryResponse<'a> {
    /// Which one, as in `/info`. Others have a history of their own.
    server: &'a str,
    /// How long the interval of a sample is.
    interval_ms: u64,
    /// When this was answered.
    now: Timestamp,
    cache: CacheState,
    /// Oldest first. The first one is there an interval after the server has started.
    #[schema(max_items = 180)]
    samples: Vec<Sample>,
}

/// What the cache does.
#[derive(Debug, Serialize, ToSchema)]
struct CacheState {
    mode: CacheMode,
}

/// What this server did over the last 15 minutes
///
/// In samples of 5 seconds, for charts. Keys are counted only for as long as somebody asks for this, so those of the first
/// answers are `null`.
#[utoipa::path(
    method(get, head),
    path = "/stats/history",
    operation_id = "get_stats_history",
    tag = "service",
    params(("since" = Option<Timestamp>, Query, description = "Only samples after this time.")),
    responses((status = 200, description = "The samples.", body = HistoryResponse<'_>), InvalidInput)
)]
pub(crate) async fn history(request: HttpRequest, state: Data<State>) -> Answer {
    let [since] = query(&request, ["since"])?;
    let since: Option<Timestamp> = since.map(|since| since.parse()).transpose()?;
    state.authorize(&request, Verb::Monitor, Target::Service)?;
    let (samples, mode) = state.history.look(since);
    Ok(HttpResponse::Ok().json(HistoryResponse {
        server: state.info.server(),
        interval_ms: history::INTERVAL.as_millis() as u64,
        now: SystemClock.now(),
        cache: CacheState { mode },
        samples,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_has_the_right_numbers() {
        let minutes = history::INTERVAL * history::SAMPLES as u32 / 60;
        assert_eq!((history::SAMPLES, minutes.as_secs()), (180, 15));
    }
}
