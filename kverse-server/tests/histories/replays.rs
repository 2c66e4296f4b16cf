//! A proxy that does not get the answer of one replica sends the request to the other one, which must not do it again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kverse_core::WriteId;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cluster::Cluster;

/// Loses the first answer to each request, and answers with the second one. Ends when it is dropped.
struct ReplayingProxy {
    url: String,
    task: JoinHandle<()>,
}

impl ReplayingProxy {
    /// `has_ids`: it gives each request an id, the same both times, as Nginx does with `$request_id`.
    async fn start(replicas: [SocketAddr; 2], has_ids: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, replicas, has_ids));
            }
        });
        Self { url, task }
    }
}

impl Drop for ReplayingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, replicas: [SocketAddr; 2], has_ids: bool) {
    let mut request = Vec::new();
    let head = loop {
        request.push(client.read_u8().await.unwrap());
        if request.ends_with(b"\r\n\r\n") {
            break String::from_utf8(request.clone()).unwrap().to_lowercase();
        }
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    client.read_exact(&mut body).await.unwrap();
    request.truncate(request.len() - 2);
    if has_ids {
        let id = format!("X-Request-Id: {}\r\n", WriteId::random());
        request.extend_from_slice(id.as_bytes());
    }
    request.extend_from_slice(b"Connection: close\r\n\r\n");
    request.extend_from_slice(&body);
    let lost = exchange(replicas[0], &request).await;
    assert!(lost.starts_with(b"HTTP/1.1 2"), "the first time it is done");
    let answer = exchange(replicas[1], &request).await;
    client.write_all(&answer).await.unwrap();
}

async fn exchange(replica: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(replica).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

struct Replaying<'a> {
    client: Client,
    proxy: ReplayingProxy,
    cluster: &'a Cluster,
}

impl<'a> Replaying<'a> {
    async fn new(cluster: &'a Cluster, has_ids: bool) -> Self {
        let addresses = [cluster.replicas[0].address, cluster.replicas[1].address];
        Self {
            // It wants to know of TLS all the same; an error says that somebody else was first.
            client: {
                let _ = rustls::crypto::ring::default_provider().install_default();
                Client::builder().no_proxy().build().unwrap()
            },
            proxy: ReplayingProxy::start(addresses, has_ids).await,
            cluster,
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.proxy.url))
    }

    /// Waits until a replica that has just started takes writes.
    async fn until_written(&self, replica: usize) {
        let url = format!("{}/kv/ready", self.cluster.replicas[replica].url());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self
            .client
            .put(&url)
            .body("now")
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
        {
            assert!(Instant::now() < deadline, "the replica takes no writes");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks a replica without the proxy: status and version.
    async fn look(&self, replica: usize, path: &str) -> (u16, Option<String>) {
        let url = format!("{}{path}", self.cluster.replicas[replica].url());
        let response = self.client.get(url).send().await.unwrap();
        (response.status().as_u16(), etag(&response))
    }
}

fn etag(response: &Response) -> Option<String> {
    let etag = response.headers().get("etag")?;
    Some(etag.to_str().unwrap().to_owned())
}

/// Every kind of conditional write is done once and answered with its first answer; and without an id from the proxy it
/// would not be, which shows that the test can fail.
pub(crate) async fn get_their_first_answer(cluster: &Cluster) {
    let replaying = Replaying::new(cluster, true).await;
    for replica in 0..2 {
        replaying.until_written(replica).await;
    }
    let create = replaying
        .request(Method::PUT, "/kv/replayed")
        .header("If-None-Match", "*");
    let created = create.body("one").send().await.unwrap();
    assert_eq!(created.status(), 201);
    let first = etag(&created).unwrap();
    for replica in 0..2 {
        let found = replaying.look(replica, "/kv/replayed").await;
        assert_eq!(found, (200, Some(first.clone())));
    }

    let replace = replaying
        .request(Method::PUT, "/kv/replayed")
        .header("If-Match", &first);
    let replaced = replace.body("two").send().await.unwrap();
    assert_eq!(replaced.status(), 200);
    let second = etag(&replaced).unwrap();
    assert_ne!(first, second);

    let touch = replaying
        .request(Method::PATCH, "/kv/replayed?ttl=1h")
        .header("If-Match", &second);
    let touched = touch.send().await.unwrap();
    assert_eq!(touched.status(), 200);
    let third = etag(&touched).unwrap();

    let json = json!({"key": "replayed", "value": "three"});
    let put = replaying
        .request(Method::PUT, "/kv")
        .header("If-Match", &third);
    assert_eq!(put.json(&json).send().await.unwrap().status(), 200);

    let delete = replaying
        .request(Method::DELETE, "/kv/replayed")
        .header("If-Match", "*");
    assert_eq!(delete.send().await.unwrap().status(), 204);
    assert_eq!(replaying.look(0, "/kv/replayed").await.0, 404);

    // Without a condition, too, what was created is not answered as if it had been there.
    let put = replaying.request(Method::PUT, "/kv/replayed").body("four");
    assert_eq!(put.send().await.unwrap().status(), 201);
    transactions(&replaying).await;
    batches(&replaying).await;

    let without = Replaying::new(cluster, false).await;
    let create = without
        .request(Method::PUT, "/kv/replayed-without")
        .header("If-None-Match", "*");
    assert_eq!(create.body("v").send().await.unwrap().status(), 412);
}

async fn transactions(replaying: &Replaying<'_>) {
    let create = json!({"operations": [
        {"op": "get", "key": "replayed/a", "if_none_match": "*"},
        {"op": "put", "key": "replayed/a", "value": "1", "if_none_match": "*"},
        {"op": "put", "key": "replayed/b", "value": "1", "if_none_match": "*"},
        {"op": "put", "key": "replayed/b", "value": "2"},
    ]});
    let request = replaying.request(Method::POST, "/transaction");
    let response = request.json(&create).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["results"][1]["status"], 201, "{body}");
    assert_eq!(body["results"][1]["replayed"], true, "{body}");
    let version = body["results"][3]["version"].as_str().unwrap();
    let found = replaying.look(0, "/kv/replayed/b").await;
    assert_eq!(found, (200, Some(format!("\"{version}\""))));

    // The same operations in another request are another transaction.
    let request = replaying.client.post(format!(
        "{}/transaction",
        replaying.cluster.replicas[0].url()
    ));
    assert_eq!(request.json(&create).send().await.unwrap().status(), 409);
}

async fn batches(replaying: &Replaying<'_>) {
    let batch = json!({"operations": [
        {"op": "put", "key": "replayed/c", "value": "1", "if_none_match": "*"},
        {"op": "delete", "key": "replayed/a", "if_match": "*"},
    ]});
    let request = replaying.request(Method::POST, "/batch");
    let body: Value = request
        .json(&batch)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(body["results"][0]["status"], 201, "{body}");
    assert_eq!(body["results"][1]["status"], 204, "{body}");
}
