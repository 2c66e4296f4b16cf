//! What a client should know of the server before anything else.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::Config;
use crate::extract::query;
use crate::openapi::problems::InvalidInput;
use crate::state::State;

/// What this server is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "version": "0.1.0",
    "server": "5d0f6c1e9ab24873",
    "authentication": "none",
    "links": {"database": null, "grafana": "http://127.0.0.1:3002", "docs": "/docs"},
})))]
pub(crate) struct InfoResponse {
    /// Its version.
    #[schema(value_type = String)]
    version: &'static str,
    /// Which server answers: each process has an id of its own, so that those behind a balancer can be told apart.
    server: String,
    #[schema(inline)]
    authentication: Authentication,
    links: Links,
}

/// What requests need.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Authentication {
    /// Nothing.
    None,
    /// An access token.
    Tokens,
}

/// Pages for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Links {
    /// Where to look at the database, if there is such a page.
    #[schema(required)]
    database: Option<String>,
    /// Charts in Grafana, if there are any.
    #[schema(required)]
    grafana: Option<String>,
    /// The description of the API, on this server.
    #[schema(value_type = String)]
    docs: &'static str,
}

impl InfoResponse {
    /// Which server answers.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn new(config: &Config) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            server: format!("{:016x}", rand::random::<u64>()),
            authentication: if config.access.requires_tokens() {
                Authentication::Tokens
            } else {
                Authentication::None
            },
            links: Links {
                database: config.links.database_gui_url().map(str::to_owned),
                grafana: config.links.grafana_url().map(str::to_owned),
                docs: "/docs",
            },
        }
    }
}

/// What this server is, and what it needs
#[utoipa::path(
    method(get, head),
    path = "/info",
    operation_id = "get_info",
    tag = "service",
    responses((status = 200, description = "What everyone may know of it.", body = InfoResponse), InvalidInput)
)]
pub(crate) async fn info(request: HttpRequest, state: Data<State>) -> Answer {
    let [] = query(&request, [])?;
    Ok(HttpResponse::Ok().json(&state.info))
}
