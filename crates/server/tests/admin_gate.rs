//! Who may come in on the admin listener, and what becomes of those who mean harm.

mod common;
#[path = "common/http.rs"]
mod http;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use common::{LIMIT, TestServer};
use http::{Http, with_admin};
use serde_json::json;
use stompbox_server::{Admin, Config, Role, ServeError, Server, User};
use tokio::{io::AsyncReadExt as _, time::timeout};

async fn server() -> (TestServer, Http) {
    let server = TestServer::with(with_admin(Config::default())).await;
    let http = Http::new(server.admin);
    (server, http)
}

fn users() -> Config {
    let user = |login: &str, role| {
        let user = User::with_passcode(login, "secret").unwrap();
        user.with_role(role)
    };
    Config {
        users: vec![
            user("vera", Some(Role::Viewer)),
            user("otto", Some(Role::Operator)),
            user("adam", Some(Role::Admin)),
            user("paul", None),
        ],
        ..with_admin(Config::default())
    }
}

const CHANGES: [(&str, &str, &str); 7] = [
    ("POST", "/api/v1/purge", r#"{"destination":"/queue/a"}"#),
    (
        "POST",
        "/api/v1/move",
        r#"{"destination":"/queue/a","to":"/queue/b"}"#,
    ),
    ("POST", "/api/v1/replay", r#"{"destination":"/queue/a"}"#),
    ("POST", "/api/v1/publish", r#"{"destination":"/queue/a"}"#),
    ("DELETE", "/api/v1/connections?user=nobody", ""),
    ("DELETE", "/api/v1/destination?name=/queue/a", ""),
    ("DELETE", "/api/v1/durable-subscriptions/eA", ""),
];

const LOOKS: [&str; 6] = [
    "/api/v1/me",
    "/api/v1/overview",
    "/api/v1/connections",
    "/api/v1/destinations",
    "/api/v1/durable-subscriptions",
    "/api/v1/destination?name=/queue/a",
];

#[tokio::test]
async fn without_a_login_nothing_is_told() {
    let server = TestServer::with(users()).await;
    let http = Http::new(server.admin);
    for path in LOOKS
        .into_iter()
        .chain(["/api/v1/events", "/api/v1/nothing"])
    {
        let answer = http.get(path).await;
        answer.fault(401, "login");
        assert!(
            answer
                .header("WWW-Authenticate")
                .is_some_and(|it| it.starts_with("Basic "))
        );
    }
    for (method, path, body) in CHANGES {
        let proven = http.with("X-Stompbox-Request", "1");
        proven.ask(method, path, body).await.fault(401, "login");
    }
    for header in [
        "Basic",
        "Basic !",
        "Bearer x",
        "Basic dmVyYQ==",
        "Basic /w==",
    ] {
        let http = http.with("Authorization", header);
        http.get("/api/v1/overview").await.fault(401, "login");
    }
    assert_eq!(http.get("/healthz").await.status, 200);
    assert_eq!(http.get("/readyz").await.status, 200);
    assert_eq!(http.get("/metrics").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn each_role_may_do_its_part() {
    let server = TestServer::with(users()).await;
    let http = Http::new(server.admin);
    http.login("paul", "secret")
        .get("/api/v1/overview")
        .await
        .fault(403, "no-role");
    let ranks = ["vera", "otto", "adam"];
    for (rank, login) in ranks.into_iter().enumerate() {
        let http = http.login(login, "secret");
        let made = http.with("X-Stompbox-Request", "1");
        for path in LOOKS {
            let status = http.get(path).await.status;
            assert!(matches!(status, 200 | 404), "{login} {path}: {status}");
        }
        for (method, path, body) in CHANGES {
            let needed = match method {
                "DELETE" if !path.contains("/connections") => 2,
                _ => 1,
            };
            let answer = made.ask(method, path, body).await;
            if rank < needed {
                answer.fault(403, "role");
            } else {
                assert!(
                    matches!(answer.status, 200 | 404),
                    "{login} {path}: {answer:?}"
                );
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn who_tries_passcodes_is_slowed_down() {
    let server = TestServer::with(users()).await;
    let http = Http::new(server.admin);
    for _ in 0..10 {
        http.login("adam", "guess")
            .get("/api/v1/overview")
            .await
            .fault(401, "login");
    }
    let answer = http.login("adam", "secret").get("/api/v1/overview").await;
    answer.fault(429, "throttled");
    assert_eq!(answer.header("Retry-After"), Some("60"));
    assert_eq!(http.get("/healthz").await.status, 200);
    let metrics = http.get("/metrics").await.body;
    assert!(
        metrics.contains("stompbox_logins_refused_total 10\n"),
        "{metrics}"
    );
    server.stop().await;
}

#[tokio::test]
async fn metrics_may_need_a_login() {
    let mut config = users();
    if let Some(admin) = &mut config.admin {
        admin.metrics_login = true;
    }
    let server = TestServer::with(config).await;
    let http = Http::new(server.admin);
    http.get("/metrics").await.fault(401, "login");
    assert_eq!(
        http.login("vera", "secret").get("/metrics").await.status,
        200
    );
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_another_origin_gets_nothing() {
    let (server, http) = server().await;
    let own = format!("http://{}", server.admin.unwrap());
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1",
        "http://127.0.0.1",
    ] {
        let http = http.with("Origin", origin);
        http.get("/api/v1/overview")
            .await
            .fault(403, "cross-origin");
        let it = json!({ "destination": "/queue/a" });
        http.post("/api/v1/publish", &it)
            .await
            .fault(403, "cross-origin");
    }
    for site in ["cross-site", "same-site"] {
        let http = http.with("Sec-Fetch-Site", site);
        http.get("/api/v1/overview")
            .await
            .fault(403, "cross-origin");
        http.get("/metrics").await.fault(403, "cross-origin");
    }
    let page = http
        .with("Origin", &own)
        .with("Sec-Fetch-Site", "same-origin");
    page.get("/api/v1/overview").await.ok();
    // A preflight is never agreed to.
    let preflight = http
        .with("Origin", "http://evil.example")
        .with("Access-Control-Request-Headers", "x-stompbox-request");
    let answer = preflight.ask("OPTIONS", "/api/v1/publish", "").await;
    assert!(answer.status >= 400, "{answer:?}");
    assert!(
        !answer.head.to_lowercase().contains("access-control"),
        "{answer:?}"
    );
    let answer = page.ask("OPTIONS", "/api/v1/publish", "").await;
    answer.fault(405, "method");
    assert_eq!(answer.header("Allow"), Some("POST"));
    server.stop().await;
}

#[tokio::test]
async fn what_changes_something_needs_its_header() {
    let (server, http) = server().await;
    for (method, path, body) in CHANGES {
        http.ask(method, path, body)
            .await
            .fault(403, "proof-missing");
        let other = http.with("X-Stompbox-Request", "0");
        other
            .ask(method, path, body)
            .await
            .fault(403, "proof-missing");
    }
    let list = http.get("/api/v1/destinations").await.ok();
    assert_eq!(list["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn only_names_that_are_known_lead_here() {
    let mut config = with_admin(Config::default());
    if let Some(admin) = &mut config.admin {
        admin.hosts = vec!["admin.example.com".into()];
    }
    let server = TestServer::with(config).await;
    let http = Http::new(server.admin);
    for host in [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "",
    ] {
        http.with("Host", host)
            .get("/api/v1/overview")
            .await
            .fault(403, "host");
        http.with("Host", host)
            .get("/metrics")
            .await
            .fault(403, "host");
    }
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "[::1]:2",
        "Admin.example.com",
    ] {
        http.with("Host", host).get("/api/v1/overview").await.ok();
    }
    let none = http.raw("GET /api/v1/overview HTTP/1.0\r\n\r\n").await;
    none.fault(400, "host");
    // A probe may call it anything.
    assert_eq!(http.with("Host", "pod-7").get("/healthz").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn nonsense_is_answered_and_costs_little() {
    let (server, http) = server().await;
    let proven = http.with("X-Stompbox-Request", "1");
    let purge = |body: String| {
        let proven = proven.clone();
        async move { proven.ask("POST", "/api/v1/purge", &body).await }
    };
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\u{0}",
        r#"{"destination":1}"#,
        r#"{"destination":"/queue/a","limit":-1}"#,
        r#"{"destination":"/queue/a","limit":1e99}"#,
        r#"{"destination":"/queue/a","x":1}"#,
        r#"{"destination":"/queue/a"} {}"#,
    ] {
        purge(body.into()).await.fault(400, "json");
    }
    purge(format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000)))
        .await
        .fault(400, "json");
    let large = format!(r#"{{"destination":"{}"}}"#, "a".repeat(100_000));
    purge(large).await.fault(413, "too-large");
    // What is only announced takes no room, and is refused when it comes.
    let host = server.admin.unwrap();
    let head = format!("POST /api/v1/purge HTTP/1.1\r\nHost: {host}\r\nX-Stompbox-Request: 1\r\n");
    let answer = http
        .raw(&format!("{head}Content-Length: 99999999999\r\n\r\n"))
        .await;
    assert!(matches!(answer.status, 408 | 413), "{answer:?}");
    let answer = http
        .raw(&format!(
            "{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ))
        .await;
    assert!(answer.status >= 400, "{answer:?}");
    let answer = http
        .raw(&format!(
            "GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "a".repeat(60_000)
        ))
        .await;
    assert!(answer.status >= 400, "{answer:?}");
    for (path, status, code) in [
        ("/api/v1/destinations?limit=0", 400, "parameter"),
        ("/api/v1/destinations?limit=1001", 400, "parameter"),
        ("/api/v1/destinations?limit=x", 400, "parameter"),
        ("/api/v1/destinations?limit=1&limit=1", 400, "parameter"),
        ("/api/v1/destinations?sort=size", 400, "parameter"),
        ("/api/v1/destinations?kind=exchange", 400, "parameter"),
        ("/api/v1/destinations?sort=depth&after=x", 400, "parameter"),
        ("/api/v1/destinations?colour=red", 400, "parameter"),
        ("/api/v1/destination", 400, "parameter"),
        ("/api/v1/destination?name=", 400, "parameter"),
        (
            "/api/v1/destination?name=%00%ff",
            404,
            "no-such-destination",
        ),
        (
            "/api/v1/messages?destination=/queue/none",
            404,
            "no-such-destination",
        ),
        (
            "/api/v1/messages?destination=/queue/none&after=-1",
            400,
            "parameter",
        ),
        ("/api/v1/connections?after=x", 404, "no-such-connection"),
        ("/api/v1/connections/0", 404, "no-such-connection"),
        ("/api/v1/connections/a/b", 404, "no-such-connection"),
        ("/api/v1/events?kinds=weather", 400, "parameter"),
        ("/api/v1/", 404, "no-such-path"),
        ("/api/v2/overview", 404, "no-such-path"),
        ("/admin", 404, "no-such-path"),
        ("/chat/", 404, "no-such-path"),
    ] {
        http.get(path).await.fault(status, code);
    }
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/overview"] {
        let answer = proven.ask("PUT", path, "").await;
        answer.fault(405, "method");
    }
    for key in ["!", "%00", "_w", "L3F1ZXVlL2E"] {
        let path = format!("/api/v1/durable-subscriptions/{key}");
        http.delete(&path)
            .await
            .fault(404, "no-such-durable-subscription");
    }
    let id = "/api/v1/connections/1";
    proven
        .ask("DELETE", id, r#"{"reason":"a\nb"}"#)
        .await
        .fault(404, "no-such-connection");
    let user = "/api/v1/connections?user=x";
    proven
        .ask("DELETE", user, r#"{"reason":"a\nb"}"#)
        .await
        .fault(400, "reason");
    proven
        .ask("DELETE", "/api/v1/connections", "")
        .await
        .fault(400, "parameter");
    http.get("/api/v1/overview").await.ok();
    server.stop().await;
}

#[tokio::test]
async fn answers_are_no_pages() {
    let (server, http) = server().await;
    let mut ann = server
        .client_as("1.2", "client-id:<script>alert(1)</script>\n")
        .await;
    ann.settled("").await;
    let answer = http.get("/api/v1/connections").await;
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let policy = answer.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    server.stop().await;
}

#[tokio::test]
async fn who_holds_all_connections_is_cut_off() {
    let mut config = with_admin(Config::default());
    if let Some(admin) = &mut config.admin {
        admin.max_connections = 2;
    }
    let server = TestServer::with(config).await;
    let http = Http::new(server.admin);
    // Neither finishes its head.
    let mut slow = Vec::new();
    for _ in 0..2 {
        slow.push(http.open("GET /healthz HTTP/1.1\r\nHost: x").await);
    }
    let answer = http.get("/healthz").await;
    assert_eq!(answer.status, 200);
    for mut stream in slow {
        let mut rest = Vec::new();
        let read = timeout(LIMIT, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "it was closed");
    }
    server.stop().await;
}

#[tokio::test]
async fn beyond_loopback_there_must_be_users() {
    let any: SocketAddr = (IpAddr::from(Ipv4Addr::UNSPECIFIED), 0).into();
    let config = |users| Config {
        listen: Vec::new(),
        admin: Some(Admin::new(any)),
        allow_anonymous: true,
        users,
        ..Config::default()
    };
    let refused = Server::bind(config(Vec::new())).await.unwrap_err();
    assert!(
        matches!(refused, ServeError::AdminNotLoopback { .. }),
        "{refused}"
    );
    assert!(config(Vec::new()).validate().is_err());
    Server::bind(config(users().users)).await.unwrap();
}

#[tokio::test]
async fn a_taken_address_is_an_error_unless_nobody_asked_for_it() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut admin = Admin::new(taken.local_addr().unwrap());
    let config = |admin: &Admin| Config {
        listen: Vec::new(),
        admin: Some(admin.clone()),
        ..Config::default()
    };
    let refused = Server::bind(config(&admin)).await.unwrap_err();
    assert!(refused.to_string().contains("--admin"), "{refused}");
    admin.required = false;
    let server = Server::bind(config(&admin)).await.unwrap();
    assert_eq!(server.admin_addr(), None);
}
