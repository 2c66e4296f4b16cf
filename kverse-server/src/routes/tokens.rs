//! The access tokens.

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use kverse_store::tokens::{IssuedToken, TokenId};
use kverse_store::wire::{
    CreateTokenRequest, IssuedTokenResponse, RotateTokenRequest, SelfResponse, TokensResponse,
};

use super::Answer;
use crate::error::Failure;
use crate::extract::{body, json_body, parse_json, query};
use crate::openapi::problems::{BodyProblems, NotFound, StoreProblems, WriteProblems};
use crate::state::State;

/// The longest body: 32 scopes with the longest prefixes, every character of which JSON writes as six.
const MAX_BODY_BYTES: usize = 256 << 10;

/// Makes a token
///
/// This answer is the only one that has the secret.
#[utoipa::path(
    post,
    path = "/tokens",
    operation_id = "create_token",
    tag = "tokens",
    request_body = CreateTokenRequest,
    responses(
        (
            status = 201,
            description = "The token with its secret.",
            body = IssuedTokenResponse,
            headers(("Location" = String, description = "Its path.")),
        ),
        WriteProblems,
        BodyProblems,
    )
)]
pub(crate) async fn create(request: HttpRequest, payload: Payload, state: Data<State>) -> Answer {
    let tokens = state.store().tokens(&request)?;
    let [] = query(&request, [])?;
    let body = json_body(&request, payload, MAX_BODY_BYTES, &state).await?;
    let new = parse_json::<CreateTokenRequest>(&body)?.parse()?;
    let issued = tokens.create(new).await?;
    let location = format!("/tokens/{}", issued.token.id);
    state.changed(&request, "created", &issued.token);
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, location));
    Ok(secret(response, issued))
}

/// Lists the tokens, without secrets
#[utoipa::path(
    method(get, head),
    path = "/tokens",
    operation_id = "list_tokens",
    tag = "tokens",
    responses((status = 200, description = "All of them.", body = TokensResponse), StoreProblems)
)]
pub(crate) async fn list(request: HttpRequest, state: Data<State>) -> Answer {
    let tokens = state.store().tokens(&request)?;
    let [] = query(&request, [])?;
    let tokens = tokens.list().await?;
    Ok(HttpResponse::Ok().json(TokensResponse { tokens }))
}

/// What who asks may do
///
/// This needs no verb.
#[utoipa::path(
    method(get, head),
    path = "/tokens/self",
    operation_id = "get_own_token",
    tag = "tokens",
    responses((status = 200, description = "The token that was sent with the request.", body = SelfResponse), StoreProblems)
)]
pub(crate) async fn own(request: HttpRequest, state: Data<State>) -> Answer {
    let token = state.store().caller(&request)?;
    let [] = query(&request, [])?;
    Ok(HttpResponse::Ok().json(SelfResponse::new(token.as_deref())))
}

/// Revokes a token
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    operation_id = "revoke_token",
    tag = "tokens",
    params(("id" = TokenId, Path, description = "The id of the token.")),
    responses((status = 204, description = "It is not valid any more."), WriteProblems, NotFound)
)]
pub(crate) async fn revoke(request: HttpRequest, id: Path<String>, state: Data<State>) -> Answer {
    let tokens = state.store().tokens(&request)?;
    let [] = query(&request, [])?;
    let id: TokenId = id.into_inner().try_into()?;
    let known = tokens
        .list()
        .await?
        .into_iter()
        .find(|token| token.id == id);
    if !tokens.revoke(&id).await? {
        return Err(Failure::token_not_found());
    }
    if let Some(token) = known {
        state.changed(&request, "revoked", &token);
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Gives a token a new secret
#[utoipa::path(
    post,
    path = "/tokens/{id}/rotate",
    operation_id = "rotate_token",
    tag = "tokens",
    params(("id" = TokenId, Path, description = "The id of the token.")),
    request_body = Option<RotateTokenRequest>,
    responses(
        (status = 200, description = "The token with its new secret.", body = IssuedTokenResponse),
        WriteProblems,
        BodyProblems,
        NotFound,
    )
)]
pub(crate) async fn rotate(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    state: Data<State>,
) -> Answer {
    let tokens = state.store().tokens(&request)?;
    let [] = query(&request, [])?;
    let id: TokenId = id.into_inner().try_into()?;
    let body = body(&request, payload, "body", MAX_BODY_BYTES, &state).await?;
    let asked = if body.is_empty() {
        RotateTokenRequest::default()
    } else {
        parse_json(&body)?
    };
    let issued = tokens.rotate(&id, asked.parse()?).await?;
    let issued = issued.ok_or_else(Failure::token_not_found)?;
    state.changed(&request, "rotated", &issued.token);
    Ok(secret(HttpResponse::Ok(), issued))
}

/// An answer that nobody on the way may keep.
fn secret(mut response: actix_web::HttpResponseBuilder, issued: IssuedToken) -> HttpResponse {
    response
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(IssuedTokenResponse::from(issued))
}
