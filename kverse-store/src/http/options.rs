use std::time::Duration;

use kverse_core::Limits;

use crate::tokens::BearerToken;

/// How [`HttpStore`](super::HttpStore) talks to its server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// How long a connection may take to be made: no more than half of a request. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a request may take, from the connection to the last byte of the answer, retries included. Default 30 s.
    pub request_timeout: Duration,
    /// How often a request that surely had no effect is tried again: at most 2 times, the default.
    pub retries: usize,
    /// The limits that the server is taken to enforce: what exceeds them is refused before it is sent.
    pub limits: Limits,
    /// The longest answer that is read, in bytes. Default 256 MiB, many times what a page or a read may find.
    pub max_answer_bytes: usize,
    /// The access token that is shown to the server. Default: none.
    pub token: Option<BearerToken>,
}

impl HttpOptions {
    /// The same with this time for making a connection.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The same with this time for a request.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The same with this many retries.
    #[must_use]
    pub fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    /// The same with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with this token.
    #[must_use]
    pub fn with_token(mut self, token: Option<BearerToken>) -> Self {
        self.token = token;
        self
    }

    /// The same with this longest answer.
    #[must_use]
    pub fn with_max_answer_bytes(mut self, bytes: usize) -> Self {
        self.max_answer_bytes = bytes;
        self
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            retries: 2,
            limits: Limits::default(),
            max_answer_bytes: 256 << 20,
            token: None,
        }
    }
}
