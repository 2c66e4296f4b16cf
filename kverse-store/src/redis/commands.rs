//! What is sent to Redis.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, Script, ScriptInvocation, Value};

/// The kinds of commands, as the metrics tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Get,
    Lookup,
    Fill,
    Mark,
    Renew,
    Finish,
    Epoch,
    Sweep,
}

impl Command {
    pub(super) const ALL: [Self; 8] = [
        Self::Get,
        Self::Lookup,
        Self::Fill,
        Self::Mark,
        Self::Renew,
        Self::Finish,
        Self::Epoch,
        Self::Sweep,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Lookup => "lookup",
            Self::Fill => "fill",
            Self::Mark => "mark",
            Self::Renew => "renew",
            Self::Finish => "finish",
            Self::Epoch => "epoch",
            Self::Sweep => "sweep",
        }
    }
}

/// One command. Sending it twice does the same as sending it once.
pub(super) enum Request<'a> {
    Command(Cmd),
    Script(ScriptInvocation<'a>),
}

impl Request<'_> {
    /// A script that the server has forgotten is sent again.
    pub(super) async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::Command(command) => connection
                .send_packed_command(command)
                .await?
                .extract_error(),
            // Boxed: it is large, and plain gets would carry its size.
            Self::Script(script) => Box::pin(script.invoke_async(connection)).await,
        }
    }
}

/// The scripts; each is atomic.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) lookup: Script,
    pub(super) fill: Script,
    pub(super) mark: Script,
    pub(super) renew: Script,
    pub(super) finish: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        let script = |operation: &str| {
            Script::new(&[include_str!("scripts/common.lua"), operation].concat())
        };
        Self {
            lookup: script(include_str!("scripts/lookup.lua")),
            fill: script(include_str!("scripts/fill.lua")),
            mark: script(include_str!("scripts/mark.lua")),
            renew: script(include_str!("scripts/renew.lua")),
            finish: script(include_str!("scripts/finish.lua")),
        }
    }
}
