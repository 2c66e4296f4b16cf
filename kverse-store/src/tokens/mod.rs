//! Access tokens: what they say, what they grant, and where they are kept.
//!
//! A token is the text `kv_ID_SECRET`. Stored are its id, what it grants, and the SHA-256 of its secret; the secret itself
//! is known only to whoever was given it. [`open_with_tokens`](crate::open_with_tokens) gives the tokens of a store.
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! use kverse_store::tokens::{NewToken, Target, Verb};
//! use kverse_store::{StoreConfig, open_with_tokens};
//!
//! let opened = open_with_tokens(&StoreConfig::new("sqlite::memory:".parse()?)).await?;
//! let new = NewToken::new("reports", vec!["read,list:reports/".parse()?])?;
//! let issued = opened.tokens.create(new).await?;
//! let token = opened.tokens.verify(&issued.secret).await?.ok_or("unknown")?;
//! assert!(token.grants(Verb::Read, Target::Key(&"reports/2026".parse()?)));
//! assert!(!token.grants(Verb::Read, Target::Key(&"salaries".parse()?)));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod memory;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod row;
mod scope;
mod secret;
mod stored;
pub(crate) mod table;
mod token;
mod verb;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::Result;

pub(crate) use self::memory::MemoryTokens;
pub use self::scope::{Scope, Target};
pub use self::secret::{BearerToken, SecretHash, TokenId};
pub(crate) use self::stored::StoredTokens;
pub use self::token::{IssuedToken, NewToken, Token};
pub use self::verb::Verb;

/// How many tokens a store keeps. Those that expired more than 30 days ago make room for new ones.
pub const MAX_TOKENS: usize = 1000;

/// The access tokens of a store. Replicas see each other's changes at once.
#[async_trait]
pub trait TokenStore: Debug + Send + Sync + 'static {
    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// `TooLarge` if there are [`MAX_TOKENS`] already; those of the store.
    async fn create(&self, new: NewToken) -> Result<IssuedToken>;

    /// All tokens, those that have expired included, the oldest first.
    ///
    /// # Errors
    /// Those of the store.
    async fn list(&self) -> Result<Vec<Token>>;

    /// Removes a token, which ends what it grants; whether it existed.
    ///
    /// # Errors
    /// Those of the store.
    async fn revoke(&self, id: &TokenId) -> Result<bool>;

    /// Gives a token a new secret; `None` if there is no such token. The secret that it had stays valid for `overlap`, at
    /// most [`NewToken::MAX_TTL`]; one from before that is not valid any more.
    ///
    /// # Errors
    /// Those of the store.
    async fn rotate(&self, id: &TokenId, overlap: Duration) -> Result<Option<IssuedToken>>;

    /// The token with this text; `None` if there is none, it has expired, or the secret is not its.
    ///
    /// # Errors
    /// Those of the store: whether the token is valid is not known then.
    async fn verify(&self, presented: &BearerToken) -> Result<Option<Token>>;
}
