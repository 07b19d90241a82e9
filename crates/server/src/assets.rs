//! The files that the server serves.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/assets.rs"));
}

/// What is served at `/` by a build without the pages.
const NO_PAGES: &[u8] = b"<!doctype html><meta charset=utf-8><title>Stompbox</title>\
<p>Stompbox is running. This build has no pages: build it with <code>cargo xtask run</code>.";

const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; \
connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
frame-ancestors 'none'";

/// Where the pages of the admin listener are.
const ADMIN: &str = "/admin/";

/// What they share with the others.
const SHARED: [&str; 2] = ["/style.css", "/icon.svg"];

/// The file at a path of the HTTP listeners.
pub(crate) fn get(path: &str) -> Option<Response<Full<Bytes>>> {
    match path.starts_with(ADMIN.trim_end_matches('/')) {
        true => None,
        false => file(path),
    }
}

/// The file at a path of the admin listener, whose page is at `/`.
pub(crate) fn admin(path: &str) -> Option<Response<Full<Bytes>>> {
    match path {
        "/" if embedded::EMBEDDED.iter().any(|(url, _)| *url == ADMIN) => file(ADMIN),
        _ if path == "/" || path.starts_with(ADMIN) || SHARED.contains(&path) => file(path),
        _ => None,
    }
}

/// The answer to whoever has it already, and to whoever has not.
pub(crate) fn unless_known(
    mut response: Response<Full<Bytes>>,
    asked: &HeaderMap,
) -> Response<Full<Bytes>> {
    let known = asked.get(header::IF_NONE_MATCH);
    if known.is_some() && known == response.headers().get(header::ETAG) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Full::default();
    }
    response
}

fn file(path: &str) -> Option<Response<Full<Bytes>>> {
    let found = embedded::EMBEDDED.iter().find(|(url, _)| *url == path);
    let body = match found {
        Some((_, body)) => *body,
        None if path == "/" => NO_PAGES,
        None => {
            let folder = format!("{path}/");
            embedded::EMBEDDED.iter().find(|(url, _)| *url == folder)?;
            return Some(redirect(&folder));
        }
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(path)),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag_of(body)) {
        headers.insert(header::ETAG, tag);
    }
    Some(response)
}

fn redirect(to: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn tag_of(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "text/html; charset=utf-8",
    }
}
