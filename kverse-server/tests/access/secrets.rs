//! Tokens where they do not belong.

use serde_json::json;

use crate::common::{ROOT, Server, problem};

#[tokio::test]
async fn a_token_in_the_url_is_refused() {
    let server = Server::start(&[]);
    for path in [
        format!("/kv?key=a&token={ROOT}"),
        format!("/kv?key=a&access_token={ROOT}"),
        "/keys?Authorization=x".to_owned(),
        format!("/kv?key={ROOT}"),
        format!("/kv/{ROOT}"),
        format!("/livez?token={ROOT}"),
        format!("/nowhere?x={ROOT}"),
    ] {
        let (status, refused) = problem(server.get(&path, ROOT).await).await;
        assert_eq!(
            (status, &refused["code"]),
            (400, &json!("token_in_url")),
            "{path}"
        );
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("Authorization: Bearer"), "{detail}");
        assert!(!refused.to_string().contains("0123456789"), "{refused}");
    }
    assert_eq!(server.put("/kv/token", ROOT).await.status(), 201);
    assert_eq!(server.get("/kv?key=token", ROOT).await.status(), 200);
}
