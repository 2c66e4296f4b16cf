use std::time::Duration;

/// How [`RedisCache`](super::RedisCache) uses its server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisOptions {
    /// The beginning of every key in Redis, which is `{prefix}:{epoch}:{key}`, in a cluster `{prefix}{tag}:{epoch}:{key}`. Services that share a Redis database must
    /// differ in it, or one would serve the values of the other: [`open`](crate::open) takes `kv-` and what tells the
    /// PostgreSQL database from others. Without `:`. Default `kv`.
    pub prefix: String,
    /// How long a command may take; then the connection is given up. Default 100 ms: longer than a
    /// server that works ever takes, and not much beside what a database takes that has to answer instead.
    pub command_timeout: Duration,
    /// How long a connection may take to be made; the read that wants it waits at most
    /// [`command_timeout`](Self::command_timeout) of that. Default 1 s.
    pub connect_timeout: Duration,
    /// How long an entry is cached at most. Default 1 h.
    pub max_entry_ttl: Duration,
    /// How long it is cached at most that a key holds nothing. Default 30 s.
    pub max_absent_ttl: Duration,
    /// How long a reader may take to fill in what it fetched. Default 3 s.
    pub lease: Duration,
    /// An entry with more bytes of value is not cached. Default 4 MiB.
    pub max_value_bytes: usize,
}

impl RedisOptions {
    /// The same with this beginning of every key in Redis.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The same with this time for a command.
    #[must_use]
    pub fn with_command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// The same with this time for a connection.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The same with this longest time for an entry.
    #[must_use]
    pub fn with_max_entry_ttl(mut self, ttl: Duration) -> Self {
        self.max_entry_ttl = ttl;
        self
    }

    /// The same with this longest time for an absence.
    #[must_use]
    pub fn with_max_absent_ttl(mut self, ttl: Duration) -> Self {
        self.max_absent_ttl = ttl;
        self
    }

    /// The same with this time for filling in.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// The same with this largest value.
    #[must_use]
    pub fn with_max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            prefix: "kv".to_owned(),
            command_timeout: Duration::from_millis(100),
            connect_timeout: Duration::from_secs(1),
            max_entry_ttl: Duration::from_secs(3600),
            max_absent_ttl: Duration::from_secs(30),
            lease: Duration::from_secs(3),
            max_value_bytes: 4 << 20,
        }
    }
}
