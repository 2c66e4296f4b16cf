//! Tokens over REST.

use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::common::{ROOT, Server, problem};

#[tokio::test]
async fn a_token_lives_from_creation_to_revocation() {
    let server = Server::start(&[]);
    let scopes = json!([{"verbs": ["read", "write"], "prefix": "a/"}]);
    let body = json!({"name": "Zoë's app", "scopes": scopes, "ttl": "30d"});
    let created = server.post("/tokens", ROOT, &body).await;
    assert_eq!(created.status(), 201);
    assert_eq!(created.headers()["cache-control"], "no-store");
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    let created: Value = created.json().await.unwrap();
    let id = created["id"].as_str().unwrap();
    let token = created["token"].as_str().unwrap();
    assert_eq!(location, format!("/tokens/{id}"));
    assert!(token.starts_with(&format!("kv_{id}_")), "{token}");
    assert_eq!(created["name"], "Zoë's app");
    assert!(created["expires_at"].is_string());

    let own: Value = server
        .get("/tokens/self", token)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(own["scopes"], scopes);
    assert_eq!(own["token"]["id"], id);
    let listed = server.get("/tokens", ROOT).await.text().await.unwrap();
    let secret = token.rsplit('_').next().unwrap();
    assert!(listed.contains(id), "{listed}");
    assert!(
        !listed.contains(secret) && !listed.contains("hash"),
        "{listed}"
    );

    assert_eq!(server.put("/kv/a/k", token).await.status(), 201);
    let rotate = format!("/tokens/{id}/rotate");
    let rotated = server.post(&rotate, ROOT, &json!({"overlap": "1h"})).await;
    assert_eq!(rotated.status(), 200);
    let rotated: Value = rotated.json().await.unwrap();
    let newer = rotated["token"].as_str().unwrap().to_owned();
    for valid in [token, &newer] {
        assert_eq!(server.get("/kv/a/k", valid).await.status(), 200);
    }
    let rotated = server.request(reqwest::Method::POST, &rotate, ROOT);
    let rotated: Value = rotated.send().await.unwrap().json().await.unwrap();
    let newest = rotated["token"].as_str().unwrap();
    assert_eq!(server.get("/kv/a/k", newest).await.status(), 200);

    assert_eq!(server.delete(&location, ROOT).await.status(), 204);
    assert_eq!(server.delete(&location, ROOT).await.status(), 404);
    let never_shown = format!("kv_{id}_{}", "x".repeat(43));
    let (status, refused) = problem(server.get("/kv/a/k", &never_shown).await).await;
    assert_eq!((status, &refused["code"]), (401, &json!("invalid_token")));
}

#[tokio::test]
async fn without_a_valid_token_there_is_a_challenge() {
    let server = Server::start(&[]);
    let missing = server.get("/kv/a", "").await;
    assert_eq!(missing.status(), 401);
    assert_eq!(
        missing.headers()[WWW_AUTHENTICATE],
        r#"Bearer realm="kverse""#
    );
    let unknown = format!("kv_abc_{}", "x".repeat(43));
    for text in ["x", "kv_a_short", &unknown, &ROOT.replace("012", "013")] {
        let invalid = server.get("/kv/a", text).await;
        assert_eq!(invalid.status(), 401, "{text}");
        assert_eq!(
            invalid.headers()[WWW_AUTHENTICATE],
            r#"Bearer realm="kverse", error="invalid_token""#
        );
    }
    let other = server.request(reqwest::Method::GET, "/kv/a", "");
    let basic = other.basic_auth("user", Some(ROOT)).send().await.unwrap();
    assert_eq!(basic.status(), 401);
    let twice = server
        .request(reqwest::Method::GET, "/kv/a", ROOT)
        .header(AUTHORIZATION, "Bearer x");
    let (status, refused) = problem(twice.send().await.unwrap()).await;
    assert_eq!(
        (status, &refused["code"]),
        (400, &json!("malformed_credentials"))
    );
    let lower = server
        .request(reqwest::Method::GET, "/limits", "")
        .header(AUTHORIZATION, format!("bearer {ROOT}"));
    assert_eq!(lower.send().await.unwrap().status(), 200);
    for open in ["/", "/sign-in", "/info", "/livez", "/readyz", "/health"] {
        assert_eq!(server.get(open, "").await.status(), 200, "{open}");
    }
    for closed in ["/limits", "/tokens/self", "/metrics", "/nowhere", "/kv"] {
        assert_eq!(server.get(closed, "").await.status(), 401, "{closed}");
    }
}

#[tokio::test]
async fn an_expired_token_is_not_valid() {
    let server = Server::start(&[]);
    let body = json!({"name": "short", "scopes": [], "ttl": "1ms"});
    let created: Value = server
        .post("/tokens", ROOT, &body)
        .await
        .json()
        .await
        .unwrap();
    let token = created["token"].as_str().unwrap();
    let (status, refused) = problem(server.get("/tokens/self", token).await).await;
    assert_eq!((status, &refused["code"]), (401, &json!("invalid_token")));
}

#[tokio::test]
async fn malformed_tokens_are_not_made() {
    let server = Server::start(&[]);
    for (body, expected) in [
        (json!({"name": "", "scopes": []}), "empty"),
        (json!({"name": "a\nb", "scopes": []}), "control character"),
        (
            json!({"name": "a".repeat(101), "scopes": []}),
            "limit is 100",
        ),
        (json!({"name": "a", "scopes": [], "ttl": "0s"}), "duration"),
        (
            json!({"name": "a", "scopes": [], "ttl": "keep"}),
            "duration",
        ),
        (
            json!({"name": "a", "scopes": [{"verbs": ["fly"], "prefix": ""}]}),
            "fly",
        ),
        (
            json!({"name": "a", "scopes": [{"verbs": [], "prefix": ""}]}),
            "at least one verb",
        ),
        (
            json!({"name": "a", "scopes": [{"verbs": ["admin"], "prefix": "a"}]}),
            "whole service",
        ),
        (
            json!({"name": "a", "scopes": [], "secret": "mine"}),
            "secret",
        ),
        (json!({"name": "a"}), "scopes"),
    ] {
        let (status, refused) = problem(server.post("/tokens", ROOT, &body).await).await;
        let status_is_fine = status == 422 || status == 413;
        let detail = refused["detail"].as_str().unwrap();
        assert!(
            status_is_fine && detail.contains(expected),
            "{body}: {refused}"
        );
    }
    let many = json!({"name": "a", "scopes": vec![json!({"verbs": ["read"], "prefix": ""}); 33]});
    let (status, refused) = problem(server.post("/tokens", ROOT, &many).await).await;
    assert_eq!(
        (status, &refused["limit"], &refused["actual"]),
        (413, &json!(32), &json!(33))
    );
    assert_eq!(server.delete("/tokens/a-b", ROOT).await.status(), 422);
    let listed: Value = server.get("/tokens", ROOT).await.json().await.unwrap();
    assert_eq!(listed["tokens"], json!([]));
}

#[tokio::test]
async fn without_access_control_everyone_may_do_everything() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("kverse.db").display());
    let config = crate::common::config(&["--database-url", &url]);
    let listener = kverse_server::bind(config.listen).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        kverse_server::run(&config, listener, async {
            let _ = stopped.await;
        })
        .await
    });
    let client = crate::common::client();
    let own = client.get(format!("http://{address}/tokens/self"));
    // A token that is not asked for is not looked at.
    let own: Value = own
        .bearer_auth("x")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(own["token"], Value::Null);
    assert_eq!(own["scopes"][0]["verbs"].as_array().unwrap().len(), 7);
    let made = client.post(format!("http://{address}/tokens"));
    let made = made.json(&json!({"name": "first", "scopes": []}));
    assert_eq!(made.send().await.unwrap().status(), 201);
    drop((stop, client));
    server.await.unwrap().unwrap();
}
