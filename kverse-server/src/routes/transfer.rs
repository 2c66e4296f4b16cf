//! Everything out, and in, as lines of JSON.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, Version};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use kverse_core::{KvStore, Prefix};
use kverse_store::tokens::Verb;
use kverse_store::transfer::{Export, Import, OnConflict};
use kverse_store::wire::ImportReport;

use super::Answer;
use crate::error::Failure;
use crate::extract::{APPLICATION_NDJSON, query, refuse_conditions, require_lines, unreadable};
use crate::openapi::parameters::{ExportQuery, ImportQuery};
use crate::openapi::problems::{
    BodyProblems, Conflict, ReadProblems, UpgradeRequired, WriteProblems,
};
use crate::openapi::schemas;
use crate::state::State;

/// Gives out all entries
///
/// One line of JSON each, in the order of the keys. A failure on the way breaks the connection off.
#[utoipa::path(
    method(get, head),
    path = "/export",
    operation_id = "export",
    tag = "keys",
    params(ExportQuery),
    responses(
        (status = 200, description = "Lines of `EntryLine`.", content((schemas::Lines = "application/x-ndjson"))),
        ReadProblems,
        UpgradeRequired,
    )
)]
pub(crate) async fn export(request: HttpRequest, state: Data<State>) -> Answer {
    let [prefix] = query(&request, ["prefix"])?;
    let prefix = Prefix::new(prefix.unwrap_or_default())?;
    let mut lines = Lines {
        export: Export::new(prefix.clone()),
        prefix,
        request: request.clone(),
        state,
    };
    // A refusal, and a store that cannot serve, are told by the status while there still is one to choose.
    lines.store()?;
    if request.version() < Version::HTTP_11 {
        return Err(Failure::upgrade_required(
            "an export needs HTTP/1.1: in HTTP/1.0 one that failed looks like a whole one",
        ));
    }
    let first = lines.next().await?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, APPLICATION_NDJSON))
        .insert_header((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    if request.method() == Method::HEAD {
        // The body of a HEAD is drawn up to its end, and thrown away.
        return Ok(response.streaming(stream::empty::<Result<Bytes, Failure>>()));
    }
    let rest = stream::try_unfold(lines, Lines::rest);
    Ok(response.streaming(stream::iter(first.map(Ok)).chain(rest)))
}

/// What an export asks for when the client has taken what it gave before.
struct Lines {
    export: Export,
    prefix: Prefix,
    request: HttpRequest,
    state: Data<State>,
}

impl Lines {
    /// The store, if the request may read it.
    fn store(&self) -> Result<&Arc<dyn KvStore>, Failure> {
        self.state
            .authorize(&self.request, Verb::List, &self.prefix)?;
        self.state
            .authorize(&self.request, Verb::Read, &self.prefix)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        // The token may end before a long export does.
        self.state.access.readmit(&self.request).await?;
        let store = Arc::clone(self.store()?);
        let chunk = self.export.next(store.as_ref()).await?;
        Ok(chunk.map(|chunk| chunk.lines))
    }

    /// A failure breaks the connection off, so that the client does not take a part for the whole.
    async fn rest(mut self) -> Result<Option<(Bytes, Self)>, Failure> {
        match self.next().await {
            Ok(lines) => Ok(lines.map(|lines| (lines, self))),
            Err(failure) => {
                let (code, error) = (failure.code(), failure.causes());
                tracing::error!(code, error, "export broken off");
                Err(failure)
            }
        }
    }
}

/// Takes entries in
///
/// One line of JSON (`EntryLine`) each, as an export or a list with values has them. What is read is stored; a line that
/// is wrong ends the import, and the problem body has its number.
#[utoipa::path(
    post,
    path = "/import",
    operation_id = "import",
    tag = "keys",
    params(ImportQuery),
    request_body(
        description = "Lines of any number.",
        content((schemas::Lines = "application/x-ndjson")),
    ),
    responses(
        (status = 200, description = "What was stored.", body = ImportReport),
        WriteProblems,
        BodyProblems,
        Conflict,
    )
)]
pub(crate) async fn import(request: HttpRequest, payload: Payload, state: Data<State>) -> Answer {
    let [on_conflict, prefix] = query(&request, ["on_conflict", "prefix"])?;
    let on_conflict = match on_conflict {
        Some(on_conflict) => on_conflict.parse()?,
        None => OnConflict::default(),
    };
    let prefix = Prefix::new(prefix.unwrap_or_default())?;
    state.authorize(&request, Verb::Write, &prefix)?;
    refuse_conditions(request.headers())?;
    require_lines(&request)?;
    let mut import = Import::new(state.limits, on_conflict).with_prefix(prefix.clone());
    let store = async || {
        // The token may end before a long import does.
        state.access.readmit(&request).await?;
        state.authorize(&request, Verb::Write, &prefix)
    };
    match read(&mut import, payload, &state, store).await {
        Ok(()) => Ok(HttpResponse::Ok().json(import.report())),
        Err(failure) => Err(failure.of_import(import.report().clone())),
    }
}

/// Imports a body of any length. It may take as long as it likes, but not stop for longer than a body may take elsewhere.
/// Asks for the store with each piece.
async fn read<'a>(
    import: &mut Import,
    mut payload: Payload,
    state: &State,
    store: impl AsyncFn() -> Result<&'a Arc<dyn KvStore>, Failure>,
) -> Result<(), Failure> {
    let failure = loop {
        match tokio::time::timeout(state.body_timeout, payload.next()).await {
            Ok(Some(Ok(piece))) => import.push(store().await?, &piece).await?,
            Ok(Some(Err(error))) => break unreadable(error),
            Ok(None) => return Ok(import.finish(store().await?).await?),
            Err(_) => {
                break Failure::request_timeout(format!(
                    "nothing of the body arrived within {:?}",
                    state.body_timeout
                ));
            }
        }
    };
    // A line that broke off is not stored, even if it looks whole.
    import.flush(store().await?).await?;
    Err(failure)
}
