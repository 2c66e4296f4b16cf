//! What a server says of itself.

use serde_json::{Value, json};

use crate::common::Server;

async fn info(server: &Server) -> Value {
    let answer = server.get("/info").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_server_says_what_it_is_and_what_it_needs() {
    let server = Server::start();
    let first = info(&server).await;
    let id = first["server"].as_str().unwrap();
    assert_eq!(id.len(), 16);
    let expected = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "server": id,
        "authentication": "none",
        "links": {"database": null, "grafana": null, "docs": "/docs"},
    });
    assert_eq!(first, expected);
    assert_eq!(info(&server).await, first);
    let other = info(&Server::start()).await;
    assert_ne!(other["server"], first["server"]);
    let unknown = server.get("/info?verbose").send().await.unwrap();
    assert_eq!(unknown.status(), 422);
}

#[tokio::test]
async fn links_are_those_of_the_configuration() {
    let server = Server::with_options(&[
        "--auth",
        "tokens",
        "--database-gui-url",
        "http://127.0.0.1:5051",
        "--grafana-url",
        "https://grafana.example.com/d/kverse",
    ]);
    let info = info(&server).await;
    assert_eq!(info["authentication"], "tokens");
    let expected = json!({
        "database": "http://127.0.0.1:5051",
        "grafana": "https://grafana.example.com/d/kverse",
        "docs": "/docs",
    });
    assert_eq!(info["links"], expected);
}
