//! The OpenAPI document: what the handlers say of themselves, put together.
//!
//! A handler describes itself with `#[utoipa::path]` and is listed in [`Api`]. What many handlers share has types here:
//! [`parameters`], [`problems`] (the answers that are not a success) and [`schemas`]. A type
//! that stands only in a header or a parameter is listed in [`Api`], too: such types are not found by themselves.

mod nulls;
pub(crate) mod operations;
pub(crate) mod parameters;
pub(crate) mod problems;
pub(crate) mod schemas;

use kverse_core::{CacheStatus, Key, Prefix, Timestamp};
use kverse_store::wire::{EntryLine, Ttl};
use serde_json::Value;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Object, Ref, RefOr, Schema, Type};
use utoipa::{IntoResponses, Modify, OpenApi};

use self::nulls::NoNulls;
use self::problems::AccessProblems;
use self::schemas::EntityTag;
use crate::dashboard;
use crate::routes::{
    batch, docs, health, history, info, keys, kv, raw, stats, tokens, transfer, watch,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "KVerse",
        description = "A key-value service: reads come from a cache and are never stale, writes are durable when they are \
            answered.\n\nEvery answer that is not a success has a problem body (RFC 9457) with a `code` for programs. \
            A method that a path does not know is answered with 405 and `Allow`, a path that does not exist with 404. \
            Parameters that are unknown or given twice are refused with 422. The limits named here are the \
            defaults; `/limits` has those in force."
    ),
    paths(
        kv::get, kv::put, kv::patch, kv::delete,
        raw::get, raw::put, raw::patch, raw::delete,
        keys::list, keys::delete,
        batch::batch, batch::transaction, watch::watch, transfer::export, transfer::import,
        tokens::create, tokens::list, tokens::own, tokens::revoke, tokens::rotate,
        info::info, stats::stats, history::history, stats::limits, stats::metrics,
        health::health, health::livez, health::readyz,
        docs::openapi, docs::page, docs::file, dashboard::page, dashboard::asset,
    ),
    tags(
        (name = "values", description = "One key"),
        (name = "keys", description = "Many keys"),
        (name = "tokens", description = "Who may do what"),
        (name = "service", description = "The state of the service"),
        (name = "pages", description = "For people"),
    ),
    components(schemas(EntityTag, EntryLine, CacheStatus, Key, Prefix, Timestamp, Ttl)),
    security((), ("bearer" = [])),
    modifiers(&NoNulls, &Pages, &Shared, &Heads)
)]
struct Api;

/// The document as JSON, with the lines and the order that it has in `openapi.json`.
pub(crate) fn json() -> serde_json::Result<String> {
    Api::openapi().to_pretty_json().map(|json| json + "\n")
}

/// What every operation has: the problems, the id of a request, the security scheme.
struct Shared;

impl Modify for Shared {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        const REQUEST_ID: &str = "X-Request-Id";
        let components = api.components.get_or_insert_default();
        for (name, response) in problems::components() {
            components.responses.insert(name.to_owned(), response);
        }
        name_codes(components);
        let request_id = ParameterBuilder::new()
            .name(REQUEST_ID)
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "Comes back with the answer, and stands in the log if the request fails: up to 128 visible ASCII \
                 characters. What is not is ignored.",
            ))
            .schema(Some(Object::with_type(Type::String)))
            .example(Some(Value::from("web-7f3a")));
        let request_id = RefOr::T(request_id.build());
        components
            .parameters
            .insert(REQUEST_ID.to_owned(), request_id);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("kv_ID_SECRET")
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let reference = format!("#/components/parameters/{REQUEST_ID}");
        for item in api.paths.paths.values_mut() {
            let parameters = item.parameters.get_or_insert_default();
            parameters.push(RefOr::Ref(Ref::new(&reference)));
            for operation in operations_of(item) {
                for (status, response) in AccessProblems::responses() {
                    operation
                        .responses
                        .responses
                        .entry(status)
                        .or_insert(response);
                }
            }
        }
    }
}

/// The operations of a path.
fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let operations = [
        &mut item.get,
        &mut item.head,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ];
    operations.into_iter().flatten()
}

/// Lists the values that `code` of a problem can have.
fn name_codes(components: &mut Components) {
    if let Some(RefOr::T(Schema::Object(problem))) = components.schemas.get_mut("Problem")
        && let Some(RefOr::T(Schema::Object(code))) = problem.properties.get_mut("code")
    {
        let codes = problems::TABLE.iter().flat_map(|(_, codes)| *codes);
        code.description = Some("What is wrong, for a program.".to_owned());
        code.enum_values = Some(codes.copied().map(Value::from).collect());
    }
}

/// The pages of the dashboard are one page.
struct Pages;

impl Modify for Pages {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let paths = &mut api.paths.paths;
        let Some(page) = paths.get("/").cloned() else {
            return;
        };
        for path in dashboard::PAGES {
            let mut page = page.clone();
            let name = path.replace(['/', '-'], "_");
            for operation in operations_of(&mut page) {
                let id = operation.operation_id.as_mut();
                id.into_iter()
                    .for_each(|id| id.push_str(name.trim_end_matches('_')));
            }
            paths.insert(path.to_owned(), page);
        }
    }
}

/// A HEAD is the GET of the same path without the body.
struct Heads;

impl Modify for Heads {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let heads = api
            .paths
            .paths
            .values_mut()
            .filter_map(|item| item.head.as_mut());
        for Operation {
            operation_id,
            summary,
            responses,
            ..
        } in heads
        {
            *operation_id = operation_id.take().map(|id| format!("{id}_head"));
            *summary = summary
                .take()
                .map(|summary| format!("{summary} (headers only)"));
            for response in responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.content.clear();
                    response.links.clear();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use kverse_core::ErrorKind;

    use super::*;
    use crate::error::status;

    /// Clients are made from the committed document, so a change of it has to be seen in a review.
    #[test]
    fn the_committed_document_is_that_of_the_handlers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let json = json().unwrap();
        if env::var_os("UPDATE_OPENAPI").is_some() {
            fs::write(path, &json).unwrap();
        }
        let committed = fs::read_to_string(path).unwrap_or_default();
        let mut lines = json.lines().zip(committed.lines()).enumerate();
        let changed = lines.find(|(_, (made, committed))| made != committed);
        assert!(
            json == committed,
            "kverse-server/openapi.json is not what the handlers say; `make openapi` writes it anew, commit it. First \
             difference (line, handlers, file): {changed:?}"
        );
    }

    #[test]
    fn every_kind_of_error_is_described_with_its_status() {
        for kind in ErrorKind::ALL {
            let status = status(kind).as_u16();
            let row = problems::TABLE.iter().find(|(row, _)| *row == status);
            assert!(
                row.is_some_and(|(_, codes)| codes.contains(&kind.code())),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn references_lead_somewhere() {
        let json: Value = serde_json::from_str(&json().unwrap()).unwrap();
        let mut rest = vec![&json];
        let mut references = 0;
        while let Some(value) = rest.pop() {
            match value {
                Value::Array(items) => rest.extend(items),
                Value::Object(fields) => {
                    if let Some(Value::String(reference)) = fields.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(json.pointer(pointer).is_some(), "{reference}");
                        references += 1;
                    }
                    rest.extend(fields.values());
                }
                _ => {}
            }
        }
        assert!(references > 100, "{references}");
    }
}
