//! Which web pages may open a WebSocket.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::http::{Body, text};

/// Whether a request with these headers, which came by TLS if `secure`, may be upgraded. Programs
/// send no `Origin`; a page's must be of the host it connects to, or be listed.
pub(crate) fn is_allowed(headers: &HeaderMap, allowed: &[String], secure: bool) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return true;
    };
    if origins.next().is_some() {
        return false;
    }
    if allowed.iter().any(|own| own == "*") {
        return true;
    }
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if allowed.iter().any(|own| own.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    // TLS in front of a plain listener keeps the host but not the scheme; below TLS a page that
    // came in plain text may be anybody's.
    let plain = origin.strip_prefix("http://").filter(|_| !secure);
    let authority = plain.or_else(|| origin.strip_prefix("https://"));
    match (authority, host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// What a page hears that may not.
pub(crate) fn refusal(headers: &HeaderMap) -> Response<Body> {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let origin = String::from_utf8_lossy(origin.unwrap_or_default());
    text(
        StatusCode::FORBIDDEN,
        &format!(
            "Pages of the origin {origin} may not connect. The option --allow-origin permits it.\n"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: &str, host: &str, allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if !origin.is_empty() {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        let allowed: Vec<String> = allowed.iter().map(|s| (*s).to_owned()).collect();
        is_allowed(&headers, &allowed, false)
    }

    #[test]
    fn below_tls_only_pages_that_came_by_tls_are_of_the_same_origin() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "app.example.com".parse().unwrap());
        for (scheme, expected) in [("https", true), ("http", false)] {
            let origin = format!("{scheme}://app.example.com");
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            assert_eq!(is_allowed(&headers, &[], true), expected, "{origin}");
        }
    }

    #[test]
    fn same_origin_and_listed_origins_pass() {
        assert!(check("", "localhost:61614", &[]));
        assert!(check("http://localhost:61614", "localhost:61614", &[]));
        assert!(check("https://app.example.com", "app.example.com", &[]));
        assert!(check(
            "https://app.example.com",
            "mq:61614",
            &["https://app.example.com"]
        ));
        assert!(check("https://any.example", "mq:61614", &["*"]));
    }

    #[test]
    fn other_origins_are_refused() {
        assert!(!check("http://localhost:8080", "localhost:61614", &[]));
        assert!(!check("http://evil.example", "localhost:61614", &[]));
        assert!(!check("null", "localhost:61614", &[]));
        assert!(!check(
            "http://localhost:61614.evil.example",
            "localhost:61614",
            &[]
        ));
        assert!(!check(
            "https://evil-app.example.com",
            "mq",
            &["https://app.example.com"]
        ));
    }
}
