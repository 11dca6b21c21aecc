//! Downloads from a server on this machine, with everything that goes wrong on the way.

#![cfg(feature = "hub")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use super::test_server::{Request, Response, Server};
use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const CONFIG: &[u8] = b"{\"model_type\": \"llama\"}";
const CONFIG_ID: &str = "1111111111111111111111111111111111111111";

fn weights() -> Vec<u8> {
    (0..700_000u32).flat_map(u32::to_le_bytes).collect()
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn listing_json(sha256: &str) -> String {
    let size = weights().len();
    format!(
        r#"{{"id": "a/m", "sha": "{COMMIT}", "siblings": [
            {{"rfilename": ".gitattributes", "size": 5, "blobId": "{CONFIG_ID}"}},
            {{"rfilename": "config.json", "size": {}, "blobId": "{CONFIG_ID}"}},
            {{"rfilename": "sub/model.bin", "size": {size}, "blobId": "x",
              "lfs": {{"sha256": "{sha256}", "size": {size}, "pointerSize": 134}}}}]}}"#,
        CONFIG.len()
    )
}

/// A server that does everything right.
fn answer(request: &Request) -> Response {
    match request.path.as_str() {
        "/api/models/a/m/revision/main?blobs=true" => {
            Response::ok(listing_json(&digest(&weights())))
        }
        path if path.ends_with("/config.json") => Response::ok(CONFIG),
        path if path.ends_with("/sub/model.bin") => Response::file(&weights(), request),
        _ => Response::status(404).with("x-error-message", "no such thing"),
    }
}

#[derive(Default)]
struct Notes {
    said: Vec<String>,
    most: u64,
}

impl Progress for Notes {
    fn advanced(&mut self, _: &str, done: u64, total: Option<u64>) {
        assert!(total.is_none_or(|total| done <= total));
        self.most = self.most.max(done);
    }

    fn said(&mut self, text: &str) {
        self.said.push(text.to_owned());
    }
}

/// A cache of its own and a client of a server.
struct Place {
    cache: tempfile::TempDir,
    endpoint: String,
}

impl Place {
    fn new(endpoint: &str) -> Self {
        Self { cache: tempfile::tempdir().unwrap(), endpoint: endpoint.to_owned() }
    }

    fn settings(&self) -> Settings {
        Settings {
            endpoint: self.endpoint.clone(),
            token: Some("secret".into()),
            cache: self.cache.path().to_owned(),
            offline: false,
            certificates: None,
            patience: Duration::from_millis(1),
        }
    }

    fn offline(&self) -> Settings {
        Settings { offline: true, ..self.settings() }
    }

    fn fetch(&self, notes: &mut Notes) -> Result<PathBuf, HubError> {
        fetch_with(self.settings(), notes)
    }

    fn repository(&self) -> PathBuf {
        self.cache.path().join("models--a--m")
    }

    fn blobs(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.repository().join("blobs")) else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn fetch_with(settings: Settings, notes: &mut Notes) -> Result<PathBuf, HubError> {
    let hub = Hub::new(settings)?;
    let name = HubName::parse("hf:a/m").unwrap();
    let listing = hub.list(&name, RepositoryKind::Model, notes)?;
    hub.fetch(&listing, &listing.files, notes)
}

fn read(snapshot: &Path, path: &str) -> Vec<u8> {
    std::fs::read(snapshot.join(path)).unwrap()
}

#[test]
fn a_repository_is_fetched_once_in_the_shared_layout() {
    let server = Server::new(answer);
    let place = Place::new(&server.endpoint);
    let mut notes = Notes::default();
    let snapshot = place.fetch(&mut notes).unwrap();
    assert_eq!(snapshot, place.repository().join("snapshots").join(COMMIT));
    assert_eq!(read(&snapshot, "config.json"), CONFIG);
    assert_eq!(read(&snapshot, "sub/model.bin"), weights());
    assert_eq!(notes.most, weights().len() as u64);
    let link = std::fs::read_link(snapshot.join("sub/model.bin")).unwrap();
    assert_eq!(link, Path::new("../../../blobs").join(digest(&weights())));
    let link = std::fs::read_link(snapshot.join("config.json")).unwrap();
    assert_eq!(link, Path::new("../../blobs").join(CONFIG_ID));
    let reference = std::fs::read_to_string(place.repository().join("refs/main")).unwrap();
    assert_eq!(reference, COMMIT);
    assert!(!snapshot.join(".gitattributes").exists());
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.headers["authorization"] == "Bearer secret"));
    // Nothing but the listing is asked for again, and without a network not even that.
    place.fetch(&mut notes).unwrap();
    assert_eq!(server.requests().len(), 4);
    assert_eq!(fetch_with(place.offline(), &mut notes).unwrap(), snapshot);
    assert_eq!(server.requests().len(), 4);
    assert!(notes.said.is_empty(), "{:?}", notes.said);
}

#[test]
fn a_cut_connection_is_gone_on_with() {
    let n = Arc::new(AtomicUsize::new(0));
    let server = Server::new(move |request| {
        let mut response = answer(request);
        if request.path.ends_with("model.bin") && n.fetch_add(1, Ordering::Relaxed) < 3 {
            response.cut_after = Some(500_000);
        }
        response
    });
    let place = Place::new(&server.endpoint);
    let mut notes = Notes::default();
    let snapshot = place.fetch(&mut notes).unwrap();
    assert_eq!(read(&snapshot, "sub/model.bin"), weights());
    assert_eq!(notes.said.len(), 3);
    let ranges: Vec<_> =
        server.requests().into_iter().filter_map(|r| r.headers.get("range").cloned()).collect();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert!(ranges[0] == "bytes=500000-" && ranges[2] == "bytes=1500000-", "{ranges:?}");
}

#[test]
fn what_another_attempt_has_left_is_used_if_it_fits() {
    let server = Server::new(answer);
    for (left, n_whole) in
        [(weights()[..300_000].to_vec(), 0), (vec![7; 10], 0), (vec![7; 3_000_000], 1)]
    {
        let place = Place::new(&server.endpoint);
        let blobs = place.repository().join("blobs");
        std::fs::create_dir_all(&blobs).unwrap();
        let is_right = weights().starts_with(&left);
        std::fs::write(blobs.join(format!("{}.incomplete", digest(&weights()))), &left).unwrap();
        let before = server.requests().len();
        let result = place.fetch(&mut Notes::default());
        if is_right || n_whole == 1 {
            assert_eq!(read(&result.unwrap(), "sub/model.bin"), weights());
        } else {
            // A beginning of something else is noticed by the digest and taken away; then it works.
            assert!(matches!(result, Err(HubError::WrongContent { .. })));
            assert_eq!(
                read(&place.fetch(&mut Notes::default()).unwrap(), "sub/model.bin"),
                weights()
            );
        }
        let ranges =
            server.requests()[before..].iter().filter(|r| r.headers.contains_key("range")).count();
        assert_eq!(ranges, 1 - n_whole);
    }
}

#[test]
fn a_busy_server_is_waited_for_as_it_asks() {
    let n = Arc::new(AtomicUsize::new(0));
    let server = Server::new(move |request| match n.fetch_add(1, Ordering::Relaxed) {
        0 => Response::status(429).with("retry-after", "0"),
        1 => Response::status(503),
        _ => answer(request),
    });
    let place = Place::new(&server.endpoint);
    let mut notes = Notes::default();
    place.fetch(&mut notes).unwrap();
    assert!(notes.said[0].contains("429") && notes.said[1].contains("503"), "{:?}", notes.said);
    let server = Server::new(|_| Response::status(429).with("retry-after", "3600"));
    let error = Place::new(&server.endpoint).fetch(&mut Notes::default()).unwrap_err();
    assert!(error.to_string().ends_with("answers 429 and asks to wait for 3600 s"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_may_not_be_read_says_how_to_be_let_in() {
    let fetch = |status| {
        let server = Server::new(move |_| {
            Response::status(status).with("x-error-message", "Invalid credentials")
        });
        let place = Place::new(&server.endpoint);
        let error = place.fetch(&mut Notes::default()).unwrap_err();
        assert!(!place.repository().exists());
        (error.to_string(), error.hint().unwrap())
    };
    let (message, hint) = fetch(401);
    assert_eq!(message, "`hf:a/m` may not be read (401): Invalid credentials");
    assert!(hint.contains("set `HF_TOKEN`"), "{hint}");
    assert!(fetch(403).1.contains("ask for access"));
    let (message, hint) = fetch(404);
    assert!(message.starts_with("there is no `hf:a/m` at `http://127.0.0.1:"), "{message}");
    assert!(hint.contains("hf:owner/name[@revision]"), "{hint}");
}

#[test]
fn a_wrong_content_is_not_kept() {
    let server = Server::new(|request| match request.path.as_str() {
        path if path.starts_with("/api/") => Response::ok(listing_json(&digest(b"other"))),
        _ => answer(request),
    });
    let place = Place::new(&server.endpoint);
    let error = place.fetch(&mut Notes::default()).unwrap_err();
    assert!(matches!(error, HubError::WrongContent { .. }), "{error}");
    assert!(error.to_string().contains(&digest(&weights())), "{error}");
    assert_eq!(place.blobs(), [CONFIG_ID], "the small file came before it");
    assert!(!place.repository().join("refs").exists(), "no reference to what is not whole");
    // A small file has no digest that is compared, but a size.
    let server = Server::new(|request| match request.path.as_str() {
        path if path.ends_with("/config.json") => Response::ok("{}"),
        _ => answer(request),
    });
    let place = Place::new(&server.endpoint);
    let error = place.fetch(&mut Notes::default()).unwrap_err();
    assert!(error.to_string().contains("has 2 bytes, expected 23 bytes"), "{error}");
    assert!(!place.repository().join("snapshots").exists());
}

#[test]
fn redirections_are_followed_and_take_no_token_along() {
    let other = Server::new(|request| Response::file(&weights(), request));
    let elsewhere = other.endpoint.clone();
    let server = Server::new(move |request| match request.path.as_str() {
        path if path.ends_with("model.bin") => Response::status(302)
            .with("location", format!("{elsewhere}/signed?x=1"))
            .with("x-linked-etag", "\"abc\""),
        path if path.contains("/old/") => {
            Response::status(307).with("location", path.replace("old", "m"))
        }
        "/api/models/a/m/revision/main?blobs=true"
            if !request.headers.contains_key("authorization") =>
        {
            Response::status(401)
        }
        _ => answer(request),
    });
    let place = Place::new(&server.endpoint);
    let hub = Hub::new(place.settings()).unwrap();
    let name = HubName::parse("hf:a/old").unwrap();
    let mut notes = Notes::default();
    let listing = hub.list(&name, RepositoryKind::Model, &mut notes).unwrap();
    let snapshot = hub.fetch(&listing, &listing.files, &mut notes).unwrap();
    assert_eq!(read(&snapshot, "sub/model.bin"), weights());
    let requests = other.requests();
    assert_eq!(requests[0].path, "/signed?x=1");
    assert!(!requests[0].headers.contains_key("authorization"));
    let server =
        Server::new(|request| Response::status(302).with("location", request.path.clone()));
    let error = Place::new(&server.endpoint).fetch(&mut Notes::default()).unwrap_err();
    assert!(error.to_string().contains("redirects more than 10 times"), "{error}");
}

#[test]
fn names_that_lead_elsewhere_condemn_a_listing() {
    for bad in ["../../x", "/etc/passwd", "a/../../b", "a\\\\..\\\\b", "..", "a//b", "x\\u0000y"] {
        let json = listing_json(&digest(&weights())).replace("sub/model.bin", bad);
        let server = Server::new(move |_| Response::ok(json.clone()));
        let place = Place::new(&server.endpoint);
        let error = place.fetch(&mut Notes::default()).unwrap_err();
        assert!(matches!(error, HubError::BadFileName { .. }), "{bad}: {error}");
        assert!(!place.repository().exists(), "{bad}");
    }
    for (from, to) in [(COMMIT, "../../../x"), (COMMIT, "short")] {
        let json = listing_json(&digest(&weights())).replace(from, to);
        let server = Server::new(move |_| Response::ok(json.clone()));
        let error = Place::new(&server.endpoint).fetch(&mut Notes::default()).unwrap_err();
        assert!(matches!(error, HubError::Malformed { .. }), "{error}");
    }
}

#[test]
fn without_a_network_there_is_what_the_cache_has() {
    let place = Place::new("http://127.0.0.1:1");
    let error = fetch_with(place.offline(), &mut Notes::default()).unwrap_err();
    assert!(error.to_string().contains("`HF_HUB_OFFLINE` is set"), "{error}");
    let error = place.fetch(&mut Notes::default()).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    // As `huggingface_hub` leaves it.
    let snapshot = place.repository().join("snapshots").join(COMMIT);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(place.repository().join("refs")).unwrap();
    std::fs::create_dir_all(place.repository().join("blobs")).unwrap();
    std::fs::write(place.repository().join("refs/main"), COMMIT).unwrap();
    std::fs::write(place.repository().join("blobs").join(CONFIG_ID), CONFIG).unwrap();
    let target = format!("../../blobs/{CONFIG_ID}");
    std::os::unix::fs::symlink(target, snapshot.join("config.json")).unwrap();
    std::os::unix::fs::symlink("../../blobs/gone", snapshot.join("gone.json")).unwrap();
    let mut notes = Notes::default();
    assert_eq!(fetch_with(place.offline(), &mut notes).unwrap(), snapshot);
    assert!(notes.said.is_empty());
    assert_eq!(place.fetch(&mut notes).unwrap(), snapshot);
    assert!(notes.said.last().unwrap().contains("cannot be reached"), "{:?}", notes.said);
    let models = cached_models(place.cache.path());
    assert_eq!(models[0].0.to_string(), format!("hf:a/m@{COMMIT}"));
    let hub = Hub::new(place.offline()).unwrap();
    let name = HubName::parse("hf:a/m").unwrap();
    let listing = hub.list(&name, RepositoryKind::Model, &mut notes).unwrap();
    assert_eq!(listing.files.len(), 1, "a link to nothing is no file");
}

#[test]
fn a_server_that_lists_no_digests_names_contents_as_it_sends_them() {
    let server = Server::new(|request| match request.path.as_str() {
        path if path.starts_with("/api/datasets/a/m/revision/refs%2Fpr%2F1") => Response::ok(
            format!(r#"{{"sha": "{COMMIT}", "siblings": [{{"rfilename": "a b.csv"}}]}}"#),
        ),
        "/datasets/a/m/resolve/0123456789abcdef0123456789abcdef01234567/a%20b.csv" => {
            Response::ok("x,y").with("etag", format!("\"{CONFIG_ID}\""))
        }
        _ => Response::status(404),
    });
    let place = Place::new(&server.endpoint);
    let hub = Hub::new(place.settings()).unwrap();
    let name = HubName::parse("hf:a/m@refs/pr/1").unwrap();
    let mut notes = Notes::default();
    let listing = hub.list(&name, RepositoryKind::Dataset, &mut notes).unwrap();
    let snapshot = hub.fetch(&listing, &listing.files, &mut notes).unwrap();
    assert_eq!(read(&snapshot, "a b.csv"), b"x,y");
    assert!(snapshot.starts_with(place.cache.path().join("datasets--a--m")));
    let pinned = std::fs::read_to_string(place.cache.path().join("datasets--a--m/refs/refs/pr/1"));
    assert_eq!(pinned.unwrap(), COMMIT);
}
