//! The routes and the order of the middleware, in one place.

use std::future::ready;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::guard::fn_guard;
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpResponse, Resource};

use crate::dashboard::{self, Site};
use crate::error::Failure;
use crate::metrics::HttpMetrics;
use crate::middleware::{Cors, Guard, Observe};
use crate::routes::{
    batch, docs, health, history, info, keys, kv, raw, stats, tokens, transfer, watch,
};
use crate::state::State;

/// The application, as each worker has one.
pub(crate) fn app(
    state: &Data<State>,
    cors_origins: &[String],
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let metrics = &state.http;
    App::new()
        .app_data(Data::clone(state))
        .app_data(metrics.route("unmatched"))
        .configure(|services| routes(services, metrics))
        .configure(|services| pages(services, metrics, state.site))
        .default_service(web::to(dashboard::not_found))
        // The last one is the outermost.
        .wrap(Guard::new(Arc::clone(&state.access)))
        .wrap(Observe::new(
            metrics.in_flight.clone(),
            Arc::clone(&state.watches),
        ))
        .wrap(Cors::new(cors_origins))
}

/// The application of the listener for metrics: nothing else.
pub(crate) fn metrics_app(
    state: &Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .app_data(Data::clone(state))
        .service(
            resource(&state.http, "/metrics", READ)
                .route(web::get().to(stats::metrics))
                .route(web::head().to(stats::metrics)),
        )
        .default_service(web::to(|| ready(not_found())))
        .wrap(Guard::new(Arc::clone(&state.access)))
}

const READ: &str = "GET, HEAD";
const POST: &str = "POST";
const KEYS: &str = "GET, HEAD, DELETE";
const KEY: &str = "GET, HEAD, PUT, PATCH, DELETE";

fn routes(services: &mut web::ServiceConfig, metrics: &HttpMetrics) {
    let resource = |path, allow| resource(metrics, path, allow);
    services
        .service(
            resource("/kv", KEY)
                .route(web::get().to(kv::get))
                .route(web::put().to(kv::put))
                .route(web::head().to(kv::get))
                .route(web::patch().to(kv::patch))
                .route(web::delete().to(kv::delete)),
        )
        .service(
            web::scope("/kv")
                .app_data(metrics.route("/kv/{key}"))
                .default_service(web::to(raw::any)),
        )
        .service(
            resource("/keys", KEYS)
                .route(web::get().to(keys::list))
                .route(web::head().to(keys::list))
                .route(web::delete().to(keys::delete)),
        )
        .service(
            resource("/watch", READ)
                .route(web::get().to(watch::watch))
                .route(web::head().to(watch::watch)),
        )
        .service(resource("/batch", POST).route(web::post().to(batch::batch)))
        .service(resource("/transaction", POST).route(web::post().to(batch::transaction)))
        .service(
            resource("/tokens", "GET, HEAD, POST")
                .route(web::get().to(tokens::list))
                .route(web::head().to(tokens::list))
                .route(web::post().to(tokens::create)),
        )
        .service(
            resource("/tokens/self", READ)
                .route(web::get().to(tokens::own))
                .route(web::head().to(tokens::own)),
        )
        .service(resource("/tokens/{id}", "DELETE").route(web::delete().to(tokens::revoke)))
        .service(resource("/tokens/{id}/rotate", POST).route(web::post().to(tokens::rotate)))
        .service(
            resource("/export", READ)
                .route(web::get().to(transfer::export))
                .route(web::head().to(transfer::export)),
        )
        .service(resource("/import", POST).route(web::post().to(transfer::import)))
        .service(
            resource("/info", READ)
                .route(web::get().to(info::info))
                .route(web::head().to(info::info)),
        )
        .service(
            resource("/stats", READ)
                .route(web::get().to(stats::stats))
                .route(web::head().to(stats::stats)),
        )
        .service(
            resource("/stats/history", READ)
                .route(web::get().to(history::history))
                .route(web::head().to(history::history)),
        )
        .service(
            resource("/limits", READ)
                .route(web::get().to(stats::limits))
                .route(web::head().to(stats::limits)),
        )
        .service(
            resource("/metrics", READ)
                .route(web::get().to(stats::metrics))
                .route(web::head().to(stats::metrics)),
        )
        .service(
            resource("/health", READ)
                .route(web::get().to(health::health))
                .route(web::head().to(health::health)),
        )
        .service(
            resource("/livez", READ)
                .route(web::get().to(health::livez))
                .route(web::head().to(health::livez)),
        )
        .service(
            resource("/readyz", READ)
                .route(web::get().to(health::readyz))
                .route(web::head().to(health::readyz)),
        )
        .service(
            resource("/openapi.json", READ)
                .route(web::get().to(docs::openapi))
                .route(web::head().to(docs::openapi)),
        )
        .service(
            resource("/docs", READ)
                .route(web::get().to(docs::page))
                .route(web::head().to(docs::page)),
        )
        .service(
            resource("/docs/{file}", READ)
                .route(web::get().to(docs::file))
                .route(web::head().to(docs::file)),
        );
}

/// The dashboard, after everything else: no path of the API is looked for among its files.
fn pages(services: &mut web::ServiceConfig, metrics: &HttpMetrics, site: Site) {
    for path in dashboard::PAGES {
        services.service(
            resource(metrics, path, READ)
                .route(web::get().to(dashboard::page))
                .route(web::head().to(dashboard::page)),
        );
    }
    services
        .service(
            resource(metrics, "/assets/{file}", READ)
                .route(web::get().to(dashboard::asset))
                .route(web::head().to(dashboard::asset)),
        )
        .service(
            web::resource(dashboard::FILE)
                .guard(fn_guard(move |context| site.has(context.head().uri.path())))
                .app_data(metrics.route(dashboard::FILE))
                .route(web::get().to(dashboard::file))
                .route(web::head().to(dashboard::file))
                .default_service(web::to(|| ready(method_not_allowed(READ)))),
        );
}

/// A path that counts its requests under its own name and answers methods that it does not know.
fn resource(metrics: &HttpMetrics, path: &'static str, allow: &'static str) -> Resource {
    #[cfg(test)]
    tests::ROUTES.with_borrow_mut(|routes| routes.insert((path, allow)));
    web::resource(path)
        .app_data(metrics.route(path))
        .default_service(web::to(move || ready(method_not_allowed(allow))))
}

fn method_not_allowed(allow: &'static str) -> Result<HttpResponse, Failure> {
    Err(Failure::method_not_allowed(allow))
}

fn not_found() -> Result<HttpResponse, Failure> {
    Err(Failure::route_not_found())
}

#[cfg(test)]
mod tests;
