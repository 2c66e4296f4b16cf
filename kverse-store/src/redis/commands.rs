//! What is sent to Redis.

use bytes::BufMut;
use kverse_core::Key;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisResult, RedisWrite, Script, ServerErrorKind, ToRedisArgs, Value};

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
    Inspect,
}

impl Command {
    pub(super) const ALL: [Self; 9] = [
        Self::Get,
        Self::Lookup,
        Self::Fill,
        Self::Mark,
        Self::Renew,
        Self::Finish,
        Self::Epoch,
        Self::Sweep,
        Self::Inspect,
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
            Self::Inspect => "inspect",
        }
    }
}

/// One command. Sending it twice does the same as sending it once.
pub(super) enum Request<'a> {
    Command(Cmd),
    /// One that has its script run, and the script.
    Script(&'a Script, Cmd),
}

impl Request<'_> {
    /// A script that the server does not know is loaded first.
    pub(super) async fn send(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        let (Self::Command(command) | Self::Script(_, command)) = self;
        let answer = send(command, connection).await;
        match (self, &answer) {
            (Self::Script(script, _), Err(error))
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                // Boxed: plain gets would carry its size.
                Box::pin(script.load_async(connection)).await?;
                send(command, connection).await
            }
            _ => answer,
        }
    }
}

async fn send(command: &Cmd, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
    connection
        .send_packed_command(command)
        .await?
        .extract_error()
}

/// Where Redis keeps the keys of an epoch.
pub(super) struct Names(pub(super) String);

impl Names {
    /// The place of a key.
    pub(super) fn of<'a>(&'a self, key: &'a Key) -> Name<'a> {
        Name {
            epoch: &self.0,
            key: key.as_str(),
        }
    }

    /// What is there while the epoch lives: the place of the empty key, which no entry can take.
    pub(super) fn sentinel(&self) -> Name<'_> {
        Name {
            epoch: &self.0,
            key: "",
        }
    }
}

/// The name of a key in Redis, written straight into the command.
pub(super) struct Name<'a> {
    epoch: &'a str,
    key: &'a str,
}

impl Name<'_> {
    pub(super) fn len(&self) -> usize {
        self.epoch.len() + self.key.len()
    }
}

impl ToRedisArgs for Name<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut name = out.bufmut_for_next_arg(self.len());
        name.put_slice(self.epoch.as_bytes());
        name.put_slice(self.key.as_bytes());
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
