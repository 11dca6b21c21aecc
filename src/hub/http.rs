//! Requests over HTTP and HTTPS.
//!
//! Redirections are followed here rather than by the library, for three reasons: the token goes to
//! its own host and to no other (large files lie on other hosts, behind signed addresses); a
//! request made under TLS is never redirected to an address without it; and what the first host
//! says about a large file is kept.

use std::path::Path;
use std::time::Duration;

use ureq::http::HeaderMap;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::reply::{NoAnswer, Reply};
use super::{HubError, Settings};

/// A chain of redirections longer than this goes nowhere.
const REDIRECTIONS_MAX: usize = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two pieces of an answer.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// A client of one endpoint, with the token that it shows there.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    endpoint: String,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Self, HubError> {
        let endpoint = &settings.endpoint;
        if authority(endpoint).is_none() {
            return Err(HubError::BadEndpoint { endpoint: endpoint.clone() });
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = &settings.certificates {
            tls = tls.root_certs(certificates(path)?);
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_MAX))
            .timeout_per_read(Some(SILENCE_MAX))
            .user_agent(concat!("ser/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build())
            .build();
        Ok(Self {
            agent: config.new_agent(),
            endpoint: endpoint.clone(),
            token: settings.token.clone(),
        })
    }

    /// Fetches an address, from byte `start` on where the server can.
    pub(super) fn get(&self, url: &str, start: u64) -> Result<Reply, NoAnswer> {
        let mut url = url.to_owned();
        let mut linked_etag = None;
        for _ in 0..REDIRECTIONS_MAX {
            let mut request = self.agent.get(&url);
            if start > 0 {
                request = request.header("range", format!("bytes={start}-"));
            }
            if let Some(token) = &self.token
                && authority(&url) == authority(&self.endpoint)
            {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| NoAnswer(error.to_string()))?;
            let headers = response.headers();
            linked_etag = linked_etag.or_else(|| text(headers, "x-linked-etag"));
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(reply(response, linked_etag));
            }
            let location = text(headers, "location").unwrap_or_default();
            let next = joined(&url, &location);
            if url.starts_with("https://") && !next.starts_with("https://") {
                return Err(NoAnswer(format!("it sends to `{next}`, which is not under TLS")));
            }
            url = next;
        }
        Err(NoAnswer(format!("it redirects more than {REDIRECTIONS_MAX} times")))
    }
}

fn reply(response: ureq::http::Response<ureq::Body>, linked_etag: Option<String>) -> Reply {
    let headers = response.headers();
    let number = |key: &str| text(headers, key)?.parse().ok();
    // `bytes 100-199/200`
    let range = text(headers, "content-range");
    let start = range
        .and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok());
    Reply {
        status: response.status().as_u16(),
        retry_after: number("retry-after"),
        start,
        length: number("content-length"),
        etag: linked_etag.or_else(|| text(headers, "etag")).map(|etag| plain_etag(&etag)),
        message: text(headers, "x-error-message"),
        body: Box::new(response.into_body().into_reader()),
    }
}

fn text(headers: &HeaderMap, key: &str) -> Option<String> {
    Some(headers.get(key)?.to_str().ok()?.to_owned())
}

/// `W/"abc"` is `abc`.
fn plain_etag(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// `host:port` of an address, with its scheme; `None` when it has none.
fn authority(url: &str) -> Option<&str> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme))?;
    let end = url[scheme.len()..].find(['/', '?', '#']).map_or(url.len(), |at| scheme.len() + at);
    (end > scheme.len()).then(|| &url[..end])
}

/// Resolves an address that another one refers to.
fn joined(base: &str, location: &str) -> String {
    if location.starts_with("http://") || location.starts_with("https://") {
        return location.to_owned();
    }
    let root = authority(base).unwrap_or_default();
    if let Some(host) = location.strip_prefix("//") {
        let scheme = base.split_once("//").map_or("https:", |(scheme, _)| scheme);
        return format!("{scheme}//{host}");
    }
    if location.starts_with('/') {
        return format!("{root}{location}");
    }
    let path = base.split(['?', '#']).next().unwrap_or_default();
    let folder = path.rfind('/').filter(|at| *at >= root.len()).map_or(path, |at| &path[..at]);
    format!("{folder}/{location}")
}

fn certificates(path: &Path) -> Result<RootCerts, HubError> {
    let pem = std::fs::read(path).map_err(HubError::io("read", path))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => {
                let detail = error.to_string();
                return Err(HubError::BadCertificates { path: path.to_owned(), detail });
            }
        }
    }
    if found.is_empty() {
        let detail = "there is no certificate in it".to_owned();
        return Err(HubError::BadCertificates { path: path.to_owned(), detail });
    }
    Ok(RootCerts::new_with_certs(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_joined_as_a_browser_does() {
        let base = "https://h:1/a/b/c?x=y";
        assert_eq!(joined(base, "https://other/x"), "https://other/x");
        assert_eq!(joined(base, "/x?y"), "https://h:1/x?y");
        assert_eq!(joined(base, "//cdn/x"), "https://cdn/x");
        assert_eq!(joined(base, "d"), "https://h:1/a/b/d");
        assert_eq!(joined("https://h", "d"), "https://h/d");
    }

    #[test]
    fn the_token_is_for_one_scheme_host_and_port() {
        let of = |url| authority(url).unwrap();
        assert_eq!(of("https://h/x"), of("https://h"));
        assert_ne!(of("http://h/x"), of("https://h"));
        assert_ne!(of("https://h:2"), of("https://h"));
        assert_ne!(of("https://h.evil"), of("https://h"));
        assert_eq!(authority("ftp://h"), None);
        assert_eq!(authority("https:///x"), None);
    }
}
