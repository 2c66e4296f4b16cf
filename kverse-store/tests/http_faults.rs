//! `HttpStore` on servers that do not answer as they should.
#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kverse_core::{ErrorKind, Key, KvStore, Limits, Write};
use kverse_store::http::{HttpOptions, HttpStore};
use url::Url;

const CLOSED: &str = "";

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn unavailable() -> String {
    answer("503 Service Unavailable", "")
}

/// A server that answers its requests with these texts in turn, and every further one with the last. An empty text closes
/// the connection instead.
struct Server {
    url: Url,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        // Ends with the process.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                // A small request comes in one piece on loopback.
                while connection.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {
                    let index = counter.fetch_add(1, Ordering::SeqCst);
                    let answer = &answers[index.min(answers.len() - 1)];
                    if answer == CLOSED || connection.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
        Self {
            url: url.parse().unwrap(),
            requests,
        }
    }

    fn store(&self, options: HttpOptions) -> HttpStore {
        HttpStore::new(self.url.clone(), options).unwrap()
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn key() -> Key {
    "k".parse().unwrap()
}

fn put() -> Vec<Write> {
    vec![Write::put(key(), "value")]
}

#[tokio::test]
async fn a_503_is_tried_again() {
    let stored = r#"{"results":[{"status":201,"version":"17"}]}"#;
    let server = Server::start(vec![unavailable(), answer("200 OK", stored)]);
    let outcomes = server.store(HttpOptions::default()).write(put()).await;
    assert_eq!(outcomes.unwrap().pop().unwrap().unwrap().version.get(), 17);
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_server_that_stays_unavailable_is_tried_three_times() {
    let server = Server::start(vec![unavailable()]);
    let store = server.store(HttpOptions::default());
    let error = store.write(put()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn retries_end_with_the_time_of_the_request() {
    let server = Server::start(vec![unavailable()]);
    // The pauses are 0.1 and 0.4 s: the second one does not fit in.
    let options = HttpOptions::default().with_request_timeout(Duration::from_millis(400));
    let error = server.store(options).stats().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.requests(), 2);

    let server = Server::start(vec![unavailable()]);
    let store = server.store(HttpOptions::default().with_retries(0));
    store.stats().await.unwrap_err();
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_write_whose_connection_breaks_is_not_sent_again() {
    let server = Server::start(vec![CLOSED.to_owned()]);
    let store = server.store(HttpOptions::default());
    let error = store.write(put()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(server.requests(), 1);
    // A read may be.
    let error = store.read(&[key()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn an_answer_is_not_waited_for_without_end() {
    // Promises more than it sends.
    let unfinished = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{";
    let server = Server::start(vec![unfinished.to_owned()]);
    let options = HttpOptions::default().with_request_timeout(Duration::from_millis(500));
    let error = server.store(options).write(put()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let message = "the server did not answer in time; a write may or may not have been stored";
    assert_eq!(error.message(), message);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn an_answer_is_not_read_without_end() {
    let server = Server::start(vec![answer("200 OK", "0123456789")]);
    let store = server.store(HttpOptions::default().with_max_answer_bytes(9));
    let error = store.stats().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(error.limit(), Some(9));
    // Of a write it is not known whether it was done.
    let error = store.write(put()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn fewer_results_than_operations_are_not_understood() {
    let server = Server::start(vec![answer("200 OK", r#"{"results":[]}"#)]);
    let store = server.store(HttpOptions::default());
    let error = store.read(&[key()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    let message = "the server gave 0 results for 1 operations";
    assert_eq!(error.message(), message);
}

#[tokio::test]
async fn a_server_without_limits_keeps_those_of_the_options() {
    let server = Server::start(vec![answer("404 Not Found", "")]);
    let limits = Limits::default().with_max_value_bytes(3);
    let options = HttpOptions::default().with_limits(limits);
    let store = HttpStore::connect(server.url.clone(), options)
        .await
        .unwrap();
    assert_eq!(store.capabilities().limits, limits);
    // Refused before it is sent.
    let outcomes = store.write(put()).await.unwrap();
    let error = outcomes[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(server.requests(), 1);
}
