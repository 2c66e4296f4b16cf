//! Every kind of bad input, each with a clear answer: nothing is stored, and the service goes on.

use serde_json::Value;

use crate::common::{Server, read_head, read_to_end};

/// A request, and what its answer must be: the status, the code, and what the detail names.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    status: u16,
    code: &'static str,
    detail: &'static [&'static str],
}

/// One request on a connection of its own.
fn request(line: impl AsRef<[u8]>, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let length = body.as_ref().len();
    let length = if headers.contains("Content-Length") || headers.contains("chunked") || length == 0
    {
        String::new()
    } else {
        format!("Content-Length: {length}\r\n")
    };
    let head = format!(" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}\r\n");
    [line.as_ref(), head.as_bytes(), body.as_ref()].concat()
}

fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    request("PUT /kv", "Content-Type: application/json\r\n", body)
}

fn cases() -> Vec<Case> {
    let case = |name, request, status, code, detail| Case {
        name,
        request,
        status,
        code,
        detail,
    };
    let invalid = |name, request, detail| case(name, request, 422, "invalid_input", detail);
    let get = |query: &str| request(format!("GET /kv{query}"), "", "");
    let long = "k".repeat(1025);
    let big = "v".repeat((1 << 20) + 1);
    let chunk = format!("{:x}\r\n{big}\r\n0\r\n\r\n", big.len());
    vec![
        // Keys.
        invalid("no key", get(""), &["`key` is missing"]),
        invalid("empty key", get("?key="), &["the key is empty"]),
        invalid(
            "empty key in JSON",
            json(r#"{"key":"","value":"v"}"#),
            &["the key is empty"],
        ),
        invalid(
            "empty key in the path",
            request("PUT /kv/", "", "v"),
            &["the key is empty"],
        ),
        invalid("NUL in the query", get("?key=a%00b"), &["NUL at byte 1"]),
        invalid(
            "NUL in the path",
            request("PUT /kv/a%00b", "", "v"),
            &["NUL at byte 1"],
        ),
        invalid(
            "NUL in JSON",
            json(r#"{"key":"a\u0000b","value":"v"}"#),
            &["NUL at byte 1"],
        ),
        case(
            "long key in the query",
            get(&format!("?key={long}")),
            413,
            "too_large",
            &["1025", "1024"],
        ),
        case(
            "long key in the path",
            request(format!("PUT /kv/{long}"), "", "v"),
            413,
            "too_large",
            &["1025", "1024"],
        ),
        case(
            "long key in JSON",
            json(format!(r#"{{"key":"{long}","value":"v"}}"#)),
            413,
            "too_large",
            &["1025", "1024"],
        ),
        // The query and the path.
        invalid(
            "doubled key",
            get("?key=a&key=a"),
            &["`key`", "more than once"],
        ),
        invalid(
            "unknown parameter",
            get("?key=a&verbose=1"),
            &["`verbose`", "`key`"],
        ),
        invalid(
            "escaped bytes that are not UTF-8",
            get("?key=%FF"),
            &["not UTF-8"],
        ),
        invalid(
            "escaped bytes that are not UTF-8 in the path",
            request("PUT /kv/%C3%28", "", "v"),
            &["not UTF-8"],
        ),
        invalid("half an escape", get("?key=%4"), &["hexadecimal"]),
        invalid(
            "no escape",
            request("PUT /kv/100%", "", "v"),
            &["hexadecimal"],
        ),
        invalid(
            "bad ttl",
            request("PUT /kv/k?ttl=soon", "", "v"),
            &["`soon`", "time to live"],
        ),
        invalid(
            "ttl of zero",
            request("PUT /kv/k?ttl=0", "", "v"),
            &["out of range"],
        ),
        invalid(
            "unknown parameter of a write",
            request("PUT /kv/k?tll=1", "", "v"),
            &["`tll`", "`ttl`"],
        ),
        // JSON bodies.
        invalid("empty body", json(""), &["not JSON"]),
        invalid("not JSON", json("key=k&value=v"), &["not JSON"]),
        invalid(
            "half a JSON body",
            json(r#"{"key":"k","val"#),
            &["not JSON"],
        ),
        invalid(
            "more than JSON",
            json(r#"{"key":"k","value":"v"}x"#),
            &["not JSON"],
        ),
        invalid(
            "another kind of JSON",
            json(r#"["k","v"]trash"#),
            &["the body is not"],
        ),
        invalid(
            "bytes that are not UTF-8 in JSON",
            json(b"{\"key\":\"k\",\"value\":\"\xff\"}"),
            &["the body is not"],
        ),
        invalid(
            "half a surrogate",
            json(r#"{"key":"k","value":"\ud800"}"#),
            &["the body is not"],
        ),
        invalid(
            "missing key",
            json(r#"{"value":"v"}"#),
            &["missing field `key`"],
        ),
        invalid(
            "missing value",
            json(r#"{"key":"k"}"#),
            &["missing field `value`"],
        ),
        invalid(
            "unknown field",
            json(r#"{"key":"k","value":"v","tll":"1s"}"#),
            &["unknown field `tll`"],
        ),
        invalid(
            "doubled field",
            json(r#"{"key":"k","value":"v","value":"w"}"#),
            &["duplicate field `value`"],
        ),
        invalid(
            "number as value",
            json(r#"{"key":"k","value":1}"#),
            &["expected a string"],
        ),
        invalid(
            "null as value",
            json(r#"{"key":"k","value":null}"#),
            &["expected a string"],
        ),
        invalid(
            "object as value",
            json(r#"{"key":"k","value":{}}"#),
            &["expected a string"],
        ),
        invalid(
            "number as key",
            json(r#"{"key":1,"value":"v"}"#),
            &["expected a string"],
        ),
        invalid(
            "number as ttl",
            json(r#"{"key":"k","value":"v","ttl":1}"#),
            &["expected a string"],
        ),
        invalid(
            "bad ttl in JSON",
            json(r#"{"key":"k","value":"v","ttl":"soon"}"#),
            &["`soon`"],
        ),
        invalid(
            "form instead of JSON",
            request(
                "PUT /kv",
                "Content-Type: application/x-www-form-urlencoded\r\n",
                "key=k&value=v",
            ),
            &["application/json"],
        ),
        invalid(
            "JSON and a key in the query",
            request(
                "PUT /kv?key=k",
                "Content-Type: application/json\r\n",
                r#"{"key":"k","value":"v"}"#,
            ),
            &["not in the query"],
        ),
        // Sizes.
        case(
            "big value",
            request("PUT /kv/k", "", &big),
            413,
            "too_large",
            &["1048577", "1048576"],
        ),
        case(
            "big value in JSON",
            json(format!(r#"{{"key":"k","value":"{big}"}}"#)),
            413,
            "too_large",
            &["1048577", "1048576"],
        ),
        case(
            "big value of unknown length",
            request("PUT /kv/k", "Transfer-Encoding: chunked\r\n", chunk),
            413,
            "too_large",
            &["1048576"],
        ),
        case(
            "big body announced",
            request("PUT /kv/k", "Content-Length: 4000000000\r\n", ""),
            413,
            "too_large",
            &["4000000000", "1048576"],
        ),
        case(
            "big JSON announced",
            request(
                "PUT /kv",
                "Content-Type: application/json\r\nContent-Length: 4000000000\r\n",
                "",
            ),
            413,
            "too_large",
            &["4000000000"],
        ),
        case(
            "big batch announced",
            request(
                "POST /batch",
                "Content-Type: application/json\r\nContent-Length: 41746433\r\n",
                "",
            ),
            413,
            "too_large",
            &["41746433", "41746432"],
        ),
        case(
            "long content type",
            request(
                "PUT /kv/k",
                &format!("Content-Type: {}\r\n", "x".repeat(256)),
                "v",
            ),
            413,
            "too_large",
            &["256", "255"],
        ),
        // Uploads that end early.
        case(
            "truncated value",
            request("PUT /kv/k", "Content-Length: 10\r\n", "12345"),
            400,
            "incomplete_body",
            &["incomplete"],
        ),
        case(
            "truncated JSON",
            request(
                "PUT /kv",
                "Content-Type: application/json\r\nContent-Length: 100\r\n",
                r#"{"key":"k","value":"v"}"#,
            ),
            400,
            "incomplete_body",
            &["incomplete"],
        ),
        case(
            "truncated chunks",
            request(
                "PUT /kv/k",
                "Transfer-Encoding: chunked\r\n",
                "5\r\n12345\r\n",
            ),
            400,
            "incomplete_body",
            &["incomplete"],
        ),
        // Batches.
        case(
            "batch that is not JSON",
            request("POST /batch", "Content-Type: application/json\r\n", "{"),
            400,
            "malformed_json",
            &["not JSON"],
        ),
        case(
            "batch of another type",
            request("POST /batch", "Content-Type: text/plain\r\n", "{}"),
            415,
            "unsupported_media_type",
            &["application/json"],
        ),
        invalid(
            "batch without operations",
            request("POST /batch", "Content-Type: application/json\r\n", "{}"),
            &["`operations`"],
        ),
        invalid(
            "transaction with an unknown field",
            request(
                "POST /transaction",
                "Content-Type: application/json\r\n",
                r#"{"operations":[],"dry_run":true}"#,
            ),
            &["`dry_run`"],
        ),
        // Routes and methods.
        case(
            "unknown route",
            request("GET /kv2", "", ""),
            404,
            "not_found",
            &["path"],
        ),
        case(
            "escaped route",
            request("GET /k%76/a", "", ""),
            404,
            "not_found",
            &["path"],
        ),
        case(
            "wrong method",
            request("POST /kv", "", ""),
            405,
            "method_not_allowed",
            &["GET, HEAD, PUT, PATCH, DELETE"],
        ),
        case(
            "method that does not exist",
            request("BREW /kv/k", "", ""),
            405,
            "method_not_allowed",
            &["GET, HEAD, PUT, PATCH, DELETE"],
        ),
        case(
            "wrong method on a list",
            request("PUT /keys?prefix=a", "", ""),
            405,
            "method_not_allowed",
            &["GET, HEAD, DELETE"],
        ),
    ]
}

#[tokio::test]
async fn bad_input_gets_a_clear_answer_and_stores_nothing() {
    let server = Server::start();
    for case in cases() {
        let name = case.name;
        let answer = server.exchange(case.request).await;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{name}: {answer}"));
        let status = format!("HTTP/1.1 {} ", case.status);
        assert!(head.starts_with(&status), "{name}: {answer}");
        let head = head.to_lowercase();
        assert!(
            head.contains("content-type: application/problem+json"),
            "{name}: {head}"
        );
        assert_eq!(
            head.contains("allow: get"),
            case.status == 405,
            "{name}: {head}"
        );

        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], case.status, "{name}");
        assert_eq!(problem["code"], case.code, "{name}: {problem}");
        assert_eq!(problem["type"], "about:blank", "{name}");
        let detail = problem["detail"].as_str().unwrap();
        for expected in case.detail {
            assert!(detail.contains(expected), "{name}: {detail}");
        }
        if case.code == "too_large" {
            assert!(
                problem["limit"].as_u64() < problem["actual"].as_u64(),
                "{name}: {problem}"
            );
        }
        assert_eq!(server.items().await, 0, "{name}");
        assert_eq!(
            server.get("/livez").send().await.unwrap().status(),
            200,
            "{name}"
        );
    }
}

/// What is no HTTP is answered below the routes, without a body.
#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start();
    for (request, status) in [
        (&b"hello\r\n\r\n"[..], "400"),
        (b"GET /kv?key=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "4"),
        (b"GET /kv?key=a b HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        (b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"),
        (b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nv", "400"),
        (b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nv", "400"),
    ] {
        let answer = server.exchange(request).await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{}: {answer}", request.escape_ascii());
        assert_eq!(server.items().await, 0);
        assert_eq!(server.get("/livez").send().await.unwrap().status(), 200);
    }
}

/// A refusal comes before the body, and the connection ends cleanly: the client can read it.
#[tokio::test]
async fn a_big_upload_is_refused_before_it_is_sent() {
    use tokio::io::AsyncWriteExt;

    let server = Server::start();
    let mut stream = server.connect().await;
    let head = "PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    let body = read_to_end(&mut stream).await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&problem["limit"], &problem["actual"]),
        (&1_048_576.into(), &2_000_000.into())
    );
}
