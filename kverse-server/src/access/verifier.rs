//! Which tokens are valid, asked of the database once in a while.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::{Error, ErrorKind};
use kverse_store::tokens::{BearerToken, SecretHash, Token, TokenStore};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::config::Rate;
use super::limiter::Limiter;
use crate::error::Failure;

/// How long an answer of the database serves: replicas agree on what is valid within a second.
const FRESH: Duration = Duration::from_millis(500);
/// How many answers are kept.
const ANSWERS: usize = 10_000;
/// How long the database may take; an answer that took longer says what was valid more than a second ago.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many tokens that were not valid before an address may show.
const UNKNOWN: Rate = Rate::per_second(20);
const UNKNOWN_BURST: u32 = 100;

/// The SHA-256 of the whole token, so that it is not compared in the clear.
type Fingerprint = [u8; 32];

/// An answer of the database.
#[derive(Clone)]
struct Answer {
    /// `None`: not valid.
    token: Option<Arc<Token>>,
    until: Instant,
}

/// Tells valid tokens from others.
pub(super) struct Verifier {
    tokens: Arc<dyn TokenStore>,
    bootstrap: Option<(SecretHash, Arc<Token>)>,
    answers: Cache<Fingerprint, Answer>,
    unknown: Limiter<IpAddr>,
}

impl Verifier {
    pub(super) fn new(tokens: Arc<dyn TokenStore>, bootstrap: Option<&BearerToken>) -> Self {
        let bootstrap = bootstrap.map(|bootstrap| {
            let token = Token::bootstrap(bootstrap.id().clone());
            (bootstrap.hash(), Arc::new(token))
        });
        Self {
            tokens,
            bootstrap,
            answers: Cache::new(ANSWERS),
            unknown: Limiter::new(UNKNOWN, UNKNOWN_BURST),
        }
    }

    pub(super) fn has_bootstrap(&self) -> bool {
        self.bootstrap.is_some()
    }

    /// The token with this text.
    ///
    /// # Errors
    /// 401 if it is not valid, 429 if too many such came from there, 503 if the database does not say.
    pub(super) async fn verify(
        &self,
        presented: &BearerToken,
        network: IpAddr,
    ) -> Result<Arc<Token>, Failure> {
        if let Some((hash, token)) = &self.bootstrap
            && token.id == *presented.id()
            && hash.matches(&presented.hash())
        {
            return Ok(Arc::clone(token));
        }
        let fingerprint: Fingerprint = Sha256::digest(presented.expose()).into();
        let token = match self.answers.get(&fingerprint) {
            Some(answer) if Instant::now() < answer.until => answer.token,
            stale => {
                // A client that goes on with its token must not suffer from others at its address.
                let was_valid = stale.is_some_and(|answer| answer.token.is_some());
                let suspect = (!was_valid).then_some(network);
                let asked = timeout(PATIENCE, self.ask(fingerprint, presented, suspect)).await;
                asked.unwrap_or_else(|elapsed| Err(unchecked(elapsed)))?
            }
        };
        token.ok_or_else(Failure::invalid_token)
    }

    /// Asks the database, once for all who ask at the same time, which counts against the network of a suspect.
    async fn ask(
        &self,
        fingerprint: Fingerprint,
        presented: &BearerToken,
        suspect: Option<IpAddr>,
    ) -> Result<Option<Arc<Token>>, Failure> {
        self.answers
            .remove_if(&fingerprint, |answer| answer.until <= Instant::now());
        let ask = async {
            if let Some(network) = suspect {
                self.unknown.check(network)?;
            }
            // From before the question: what is revoked while it is on its way counts from then on.
            let until = Instant::now() + FRESH;
            let token = self.tokens.verify(presented).await.map_err(unchecked)?;
            let token = token.map(Arc::new);
            Ok::<_, Failure>(Answer { token, until })
        };
        let answer = self.answers.get_or_insert_async(&fingerprint, ask).await?;
        Ok(answer.token)
    }
}

fn unchecked(cause: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let message = "the access token cannot be checked now";
    Error::new(ErrorKind::Unavailable, message)
        .with_source(cause)
        .into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use kverse_core::Result;
    use kverse_store::tokens::{IssuedToken, NewToken, TokenId};
    use tokio::task::JoinSet;

    use super::*;

    /// Tokens that are all valid, until there are none; counts who asks.
    #[derive(Debug, Default)]
    struct Counting {
        asked: AtomicUsize,
        down: std::sync::atomic::AtomicBool,
    }

    #[async_trait]
    impl TokenStore for Counting {
        async fn create(&self, _: NewToken) -> Result<IssuedToken> {
            Err(Error::new(ErrorKind::Unsupported, "not here"))
        }

        async fn list(&self) -> Result<Vec<Token>> {
            Ok(Vec::new())
        }

        async fn revoke(&self, _: &TokenId) -> Result<bool> {
            Ok(false)
        }

        async fn rotate(&self, _: &TokenId, _: Duration) -> Result<Option<IssuedToken>> {
            Ok(None)
        }

        async fn verify(&self, presented: &BearerToken) -> Result<Option<Token>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if self.down.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Timeout, "down"));
            }
            let valid = presented.id().as_str().starts_with("good");
            Ok(valid.then(|| Token::bootstrap(presented.id().clone())))
        }
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn token(id: &str) -> BearerToken {
        BearerToken::random(id.parse().unwrap())
    }

    #[tokio::test]
    async fn the_database_is_asked_once_for_all_and_for_good_and_bad_alike() {
        let tokens = Arc::new(Counting::default());
        let verifier = Arc::new(Verifier::new(Arc::<Counting>::clone(&tokens), None));
        let presented = token("good");
        let mut asking = JoinSet::new();
        for _ in 0..100 {
            let (verifier, presented) = (Arc::clone(&verifier), presented.clone());
            asking.spawn(async move { verifier.verify(&presented, HERE).await.is_ok() });
        }
        assert!(asking.join_all().await.into_iter().all(|valid| valid));
        let bad = token("bad");
        for _ in 0..100 {
            let refused = verifier.verify(&bad, HERE).await.unwrap_err();
            assert_eq!(refused.code(), "invalid_token");
        }
        // More only where the test is held up for half a second.
        assert!((2..10).contains(&tokens.asked.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn what_cannot_be_checked_is_not_allowed() {
        let tokens = Arc::new(Counting::default());
        let verifier = Verifier::new(Arc::<Counting>::clone(&tokens), None);
        let presented = token("good");
        verifier.verify(&presented, HERE).await.unwrap();
        tokens.down.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + Duration::from_secs(20);
        // Known for a moment; then nobody knows.
        let refused = loop {
            match verifier.verify(&presented, HERE).await {
                Ok(_) => assert!(Instant::now() < deadline, "still known"),
                Err(refused) => break refused,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(refused.code(), "unavailable");
        let other = verifier.verify(&token("good2"), HERE).await.unwrap_err();
        assert_eq!(other.code(), "unavailable");
        tokens.down.store(false, Ordering::SeqCst);
        verifier.verify(&presented, HERE).await.unwrap();
    }

    #[tokio::test]
    async fn who_guesses_is_slowed_down_and_others_are_not() {
        let verifier = Verifier::new(Arc::new(Counting::default()), None);
        let mine = token("good");
        verifier.verify(&mine, HERE).await.unwrap();
        let mut codes = Vec::new();
        for _ in 0..1000 {
            let guess = token("bad");
            codes.push(verifier.verify(&guess, HERE).await.unwrap_err().code());
        }
        assert!(codes.contains(&"too_many_requests"));
        assert!(
            codes
                .iter()
                .filter(|code| **code == "invalid_token")
                .count()
                < 500
        );
        verifier.verify(&mine, HERE).await.unwrap();
        let elsewhere = "10.0.0.1".parse().unwrap();
        let refused = verifier.verify(&token("bad"), elsewhere).await.unwrap_err();
        assert_eq!(refused.code(), "invalid_token");
    }
}
