//! The access tokens of the server.

use std::time::Duration;

use async_trait::async_trait;
use kverse_core::{ErrorKind, Result};
use reqwest::StatusCode;

use super::HttpStore;
use super::error::{self, Effect};
use crate::tokens::{BearerToken, IssuedToken, NewToken, Token, TokenId, TokenStore};
use crate::wire::{
    CreateTokenRequest, IssuedTokenResponse, RotateTokenRequest, SelfResponse, TokensResponse,
};

#[async_trait]
impl TokenStore for HttpStore {
    async fn create(&self, new: NewToken) -> Result<IssuedToken> {
        let request = CreateTokenRequest::from(new);
        let posted = self.connection.post("tokens", &request, Effect::Writes);
        let answer: IssuedTokenResponse = posted.await?;
        answer.parse().map_err(error::malformed)
    }

    async fn list(&self) -> Result<Vec<Token>> {
        let answer: TokensResponse = self.connection.get(self.connection.url("tokens")).await?;
        Ok(answer.tokens)
    }

    async fn revoke(&self, id: &TokenId) -> Result<bool> {
        let url = self.connection.url(&format!("tokens/{id}"));
        let (status, body) = self.connection.delete(url).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            status => Err(error::from_answer(status, &body, Effect::Writes)),
        }
    }

    async fn rotate(&self, id: &TokenId, overlap: Duration) -> Result<Option<IssuedToken>> {
        let route = format!("tokens/{id}/rotate");
        let request = RotateTokenRequest::new(overlap);
        let posted = self.connection.post_if_found(&route, &request);
        let answer: Option<IssuedTokenResponse> = posted.await?;
        let issued = answer.map(IssuedTokenResponse::parse).transpose();
        issued.map_err(error::malformed)
    }

    /// Asks the server with that token.
    async fn verify(&self, presented: &BearerToken) -> Result<Option<Token>> {
        let connection = self.connection.with_token(presented)?;
        let answer: Result<SelfResponse> = connection.get(connection.url("tokens/self")).await;
        match answer {
            Ok(answer) => Ok(answer.token),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => Ok(None),
            Err(error) => Err(error),
        }
    }
}
