//! A client that watches.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

/// Longer than anything here takes: a test that hangs fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A client for plain HTTP; it wants to know of TLS all the same.
pub(crate) fn client() -> Client {
    // An error says that another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// What is between two empty lines of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) event: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) data: Option<Value>,
    pub(crate) retry: Option<String>,
    pub(crate) is_comment: bool,
}

impl Block {
    fn parse(text: &str) -> Self {
        let mut block = Self::default();
        for line in text.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => block.is_comment = true,
                "event" => block.event = Some(value),
                "id" => block.id = Some(value),
                "data" => block.data = Some(serde_json::from_str(&value).unwrap()),
                "retry" => block.retry = Some(value),
                _ => unreachable!("an unknown field: {line}"),
            }
        }
        block
    }

    /// The event, key and version of a change.
    pub(crate) fn change(&self) -> (&str, &str, u64) {
        let (event, data) = (self.event.as_deref().unwrap(), self.data.as_ref().unwrap());
        let version = data["version"].as_str().expect(event);
        (
            event,
            data["key"].as_str().unwrap(),
            version.parse().unwrap(),
        )
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.event.as_deref(), Some("error"), "{self:?}");
        self.data.as_ref().unwrap()["code"].as_str().unwrap()
    }
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Watch {
    response: Response,
    buffer: Vec<u8>,
    /// The last id, as a browser remembers it.
    pub(crate) position: String,
}

impl Watch {
    /// Asks, and waits for the first block, which tells the position.
    pub(crate) async fn start(request: RequestBuilder) -> Self {
        let response = Self::answer(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut watch = Self {
            response,
            buffer: Vec::new(),
            position: String::new(),
        };
        let opening = watch.block().await.unwrap();
        assert!(
            opening.event.is_none() && opening.data.is_none(),
            "{opening:?}"
        );
        assert!(
            opening.id.is_some() && opening.retry.is_some(),
            "{opening:?}"
        );
        watch
    }

    pub(crate) async fn answer(request: RequestBuilder) -> Response {
        timeout(DEADLINE, request.send()).await.unwrap().unwrap()
    }

    /// The next block; `None` at the end.
    pub(crate) async fn block(&mut self) -> Option<Block> {
        self.try_block().await.expect("the stream broke")
    }

    /// The same where the server may be killed.
    pub(crate) async fn try_block(&mut self) -> reqwest::Result<Option<Block>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let rest = self.buffer.split_off(end + 2);
                let text = std::mem::replace(&mut self.buffer, rest);
                let block = Block::parse(std::str::from_utf8(&text).unwrap());
                if let Some(id) = &block.id {
                    self.position.clone_from(id);
                }
                return Ok(Some(block));
            }
            let chunk = timeout(DEADLINE, self.response.chunk()).await;
            match chunk.expect("nothing came")? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// The next block with data.
    pub(crate) async fn event(&mut self) -> Block {
        loop {
            let block = self.block().await.expect("the stream ended");
            if block.data.is_some() {
                return block;
            }
        }
    }

    /// Asserts that nothing but the end comes.
    pub(crate) async fn ends(mut self) {
        let block = self.block().await;
        assert!(block.is_none(), "{block:?}");
    }
}

/// The value of a metric; the name ends with a space, or with its labels and one.
pub(crate) async fn metric(url: &str, name: &str) -> f64 {
    let text = client().get(format!("{url}/metrics")).send().await.unwrap();
    let text = text.text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.expect(name).trim().parse().unwrap()
}
