//! How the registry speaks HTTP: methods, paths, media types, bodies, headers, deadlines.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::raw_http::{Answer, Connection, JSON, with_connection, with_server};

/// No wait for the server takes longer. Below every deadline that it has by default, so that a setting that does
/// nothing is seen.
const PATIENCE: Duration = Duration::from_secs(8);

const V1: &str = "application/vnd.schemaregistry.v1+json";
const INT: &[u8] = br#"{"schema":"\"int\""}"#;

fn assert_error(answer: &Answer, code: u64) {
    assert_eq!(answer.json()["error_code"], code, "{} {}", answer.status, answer.text());
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/")));
}

#[test]
fn head_and_options_are_answered_everywhere() {
    with_connection(|connection| {
        let head = connection.send("HEAD", "/config", &[], None);
        assert_eq!((head.status, head.header("content-length")), (200, Some("33")));
        assert_eq!(connection.send("HEAD", "/subjects/u/versions", &[], None).status, 404);

        let options = connection.send("OPTIONS", "/config/s", &[], None);
        assert_eq!((options.status, options.header("allow")), (200, Some("DELETE,GET,HEAD,OPTIONS,PUT")));
        assert_eq!(options.body, b"");
    });
}

#[test]
fn unknown_paths_and_methods_get_json_too() {
    with_connection(|connection| {
        let deep = "/a".repeat(20);
        for (path, root) in [
            ("/nope", Some("")),
            ("/subjects/a/nothing", Some("../../")),
            ("/subjects/a/nothing/", Some("../../../")),
            ("/contexts/.c/nothing?x=/", Some("../../")),
            (&deep, None),
        ] {
            let unknown = connection.send("GET", path, &[], None);
            assert_error(&unknown, 404);
            assert_eq!(unknown.json()["message"], "HTTP 404 Not Found");
            let descriptions =
                |root| format!("<{root}openapi.json>; rel=\"service-desc\", <{root}docs>; rel=\"service-doc\"");
            assert_eq!(unknown.header("link"), root.map(descriptions).as_deref(), "{path}");
            // As a client resolves it behind a proxy that passes on what stands behind a path of its own.
            if let Some(root) = root {
                let asked = reqwest::Url::parse("http://proxy/base/").unwrap().join(&path[1..]).unwrap();
                assert_eq!(asked.join(&format!("{root}docs")).unwrap().path(), "/base/docs", "{path}");
            }
        }
        assert_eq!(connection.send("GET", "/subjects/a/versions", &[], None).header("link"), None, "a known path");
        let wrong = connection.send("PATCH", "/subjects/s/versions", &[JSON], Some(b"{}"));
        assert_error(&wrong, 405);
        assert_eq!(wrong.header("allow"), Some("GET,HEAD,OPTIONS,POST"));
        assert_error(&connection.send("TRACE", "/", &[], None), 405);
    });
}

#[test]
fn paths_that_can_be_read_in_two_ways_are_refused() {
    with_connection(|connection| {
        for path in [
            "/subjects//versions",
            "/subjects/a//",
            "/subjects/%zz/versions",
            "/subjects/%ff",
            "/config/%00",
            "/config/a%5Cb",
        ] {
            for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
                assert_error(&connection.send(method, path, &[], None), 400);
            }
        }
        assert_error(&connection.send("GET", "/subjects/%2e%2e/versions", &[], None), 400);
        assert_eq!(connection.send("GET", "//subjects", &[], None).status, 200);
        for path in ["/config/", "/mode/", "/subjects/"] {
            assert_error(&connection.send("PUT", path, &[JSON], Some(b"{}")), 404);
            assert_error(&connection.send("DELETE", path, &[], None), 404);
        }
    });
}

#[test]
fn a_subject_may_hold_what_a_path_separates() {
    with_connection(|connection| {
        for (escaped, name) in [("a%2Fb", "a/b"), ("..", ".."), ("a+b", "a+b"), ("%25", "%"), ("a%3Bb", "a;b")] {
            let registered = connection.send("POST", &format!("/subjects/{escaped}/versions"), &[JSON], Some(INT));
            assert_eq!(registered.status, 200, "{escaped}");
            let got = connection.send("GET", &format!("/subjects/{escaped}/versions/1"), &[], None);
            assert_eq!(got.json()["subject"], name);
        }
    });
}

#[test]
fn media_types_are_negotiated() {
    with_connection(|connection| {
        for (accept, expected) in [
            ("*/*", V1),
            ("application/json", "application/json"),
            ("application/json;q=0.1, application/vnd.schemaregistry+json", "application/vnd.schemaregistry+json"),
        ] {
            let answer = connection.send("GET", "/config", &[("Accept", accept)], None);
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(expected)), "{accept}");
        }
        let on_two_lines = [("Accept", "text/html"), ("Accept", "application/json")];
        assert_eq!(connection.send("GET", "/config", &on_two_lines, None).status, 200);
        assert_error(&connection.send("GET", "/config", &[("Accept", "text/html")], None), 406);
        // `curl -d` says that it sends a form.
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        assert_error(&connection.send("POST", "/subjects/s/versions", &[form], Some(INT)), 415);
        assert_error(&connection.send("POST", "/subjects/s/versions", &[("Content-Type", "bogus")], Some(INT)), 400);
        assert_eq!(connection.send("POST", "/subjects/s/versions", &[], Some(INT)).status, 200);
        // The path is judged first, then the method, then the types.
        assert_error(&connection.send("GET", "/nope", &[("Accept", "text/html")], None), 404);
    });
}

#[test]
fn a_body_that_is_no_request_is_told_with_what_would_be_one() {
    with_connection(|connection| {
        // `curl -d` says that it sends a form.
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let types = "expected a `Content-Type` among application/vnd.schemaregistry.v1+json, \
                     application/vnd.schemaregistry+json, application/json, application/octet-stream";
        let encodings = "expected the `Content-Encoding` gzip, or none";
        for (headers, expected) in [(&[form][..], types), (&[JSON, ("Content-Encoding", "br")], encodings)] {
            let refused = connection.send("POST", "/subjects/s/versions", headers, Some(b"{}"));
            assert_eq!((refused.status, &refused.json()["error_code"]), (415, &serde_json::json!(415)));
            let message = format!("HTTP 415 Unsupported Media Type, details: {expected}");
            assert_eq!(refused.json()["message"], message);
            let taken = ["accept", "accept-encoding"].map(|name| refused.header(name).unwrap_or_default());
            assert!(taken[0].contains("application/json") && taken[1].contains("gzip"), "{taken:?}");
        }
        let mut told = |headers: &[(&str, &str)], path: &str, body: &str| {
            let answer = connection.send("POST", path, headers, Some(body.as_bytes())).json();
            answer["message"].as_str().map_or_else(|| answer.to_string(), str::to_owned)
        };
        let versions = "/subjects/s/versions";

        for (body, parts) in [
            ("{\"schema\":\n  oops}", ["the body of the request: this is no JSON", "line 2 column 3"]),
            ("{\"schema\": [1]}", ["the body of the request: ", "`schema`: expected a string, found an array"]),
            ("{\"references\": [{\"version\": \"x\"}]}", ["the body of the request: ", "`references[0].version`: "]),
        ] {
            let malformed = told(&[JSON], versions, body);
            assert!(parts.iter().all(|part| malformed.contains(part)), "{malformed}");
        }

        for body in ["{}", "{\"schema\": null}", "{\"Schema\": \"\\\"int\\\"\"}", "{\"schema\": \" \"}"] {
            let empty = told(&[JSON], versions, body);
            assert!(empty.starts_with("Empty schema, details: the key `schema` is missing or blank"), "{empty}");
            // What it shows is a body that is taken.
            let shown = empty.split_once("at least ").unwrap().1;
            assert!(told(&[JSON], "/subjects/shown/versions", shown).contains("\"id\":1"), "{shown}");
        }
        let verbose = told(&[JSON], "/compatibility/subjects/s/versions?verbose=true", "{}");
        assert!(verbose.contains("[\"Empty schema\",\"{hint: 'the key `schema` is missing"), "{verbose}");
    });
}

#[test]
fn every_answer_can_be_told_from_others() {
    with_connection(|connection| {
        let own = connection.send("GET", "/", &[("X-Request-ID", "abc-1")], None);
        assert_eq!(own.header("x-request-id"), Some("abc-1"));
        assert_eq!(own.header("vary"), Some("Accept-Encoding"));
        assert!(own.header("date").is_some());
        assert_eq!(own.header("x-content-type-options"), Some("nosniff"));
        let refused = connection.send("GET", "/nowhere", &[], None);
        assert_eq!((refused.status, refused.header("x-content-type-options")), (404, Some("nosniff")));

        let long = "x".repeat(200);
        let made: Vec<_> = [("X-Other", "x"), ("X-Request-ID", long.as_str())]
            .map(|header| connection.send("GET", "/", &[header], None).header("x-request-id").unwrap().to_owned())
            .into();
        assert_ne!(made[0], made[1]);
        assert!(made.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'), "{made:?}");
    });
}

#[test]
fn bodies_are_compressed_both_ways() {
    with_connection(|connection| {
        let symbols: Vec<_> = (0..500).map(|index| format!("\"SYMBOL_{index}\"")).collect();
        let schema = format!(r#"{{"type":"enum","name":"E","symbols":[{}]}}"#, symbols.join(","));
        let body = serde_json::json!({ "schema": schema }).to_string();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        let small = encoder.finish().unwrap();

        let gzip = [JSON, ("Content-Encoding", "gzip"), ("Accept-Encoding", "gzip")];
        let registered = connection.send("POST", "/subjects/s/versions", &gzip, Some(&small));

        assert_eq!((registered.status, registered.header("content-encoding")), (200, Some("gzip")));
        let mut text = String::new();
        GzDecoder::new(&*registered.body).read_to_string(&mut text).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["schema"], schema);
        assert!(registered.body.len() * 2 < text.len());
        assert_eq!(connection.send("GET", "/schemas/ids/1", &[], None).header("content-encoding"), None);
        let other = [JSON, ("Content-Encoding", "br")];
        assert_error(&connection.send("POST", "/subjects/s/versions", &other, Some(&small)), 415);
    });
}

#[test]
fn a_body_is_bounded_in_size_unfolded_size_and_depth() {
    with_server(
        |config| config.limits.body_bytes = 10_000,
        |address| {
            let path = "/subjects/s/versions";
            let large = vec![b' '; 10_001];
            let refused = Connection::open(address).send("POST", path, &[JSON], Some(&large));
            assert_error(&refused, 413);
            let told = "The request body is larger than the limit of 10000 bytes (setting `limits.body_bytes`)";
            assert_eq!(refused.json()["message"], told);
            assert_error(&Connection::open(address).send("POST", path, &[JSON], Some(&large[1..])), 422);

            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
            let bomb = encoder.finish().unwrap();
            assert!(bomb.len() < 10_000);
            let gzip = [JSON, ("Content-Encoding", "gzip")];
            assert_error(&Connection::open(address).send("POST", path, &gzip, Some(&bomb)), 413);

            let deep = format!(r#"{{"schema":"\"int\"","x":{}}}"#, "[".repeat(200) + &"]".repeat(200));
            assert_error(&Connection::open(address).send("POST", path, &[JSON], Some(deep.as_bytes())), 400);
        },
    );
}

#[test]
fn a_chunked_body_is_bounded_too() {
    with_server(
        |config| config.limits.body_bytes = 10_000,
        |address| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = "POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
            for _ in 0..20 {
                // The server may hang up before everything is written.
                let _ = stream.write_all(chunk.as_bytes());
            }
            let _ = stream.write_all(b"0\r\n\r\n");

            assert!(first_bytes(&mut stream).contains("413"));
        },
    );
}

#[test]
fn a_body_that_does_not_come_ends_the_request() {
    with_server(
        |config| config.http.body_timeout = Duration::from_millis(200),
        |address| {
            let mut stream = TcpStream::connect(address).unwrap();
            let started = Instant::now();
            stream.write_all(b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").unwrap();

            let answer = first_bytes(&mut stream);

            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
            assert!(started.elapsed() < PATIENCE);
        },
    );
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    with_server(
        |config| config.http.header_timeout = Duration::from_millis(200),
        |address| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();

            let answer = first_bytes(&mut stream);

            assert!(answer.starts_with("HTTP/1.1 408") && answer.contains(r#"{"error_code":408,"#), "{answer}");
            assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
        },
    );
}

/// What the server sends first; empty when it hangs up.
fn first_bytes(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 512];
    let count = stream.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

#[test]
fn the_code_of_a_broken_promise_can_be_the_old_one() {
    with_server(
        |config| config.incompatible_code = 409,
        |address| {
            let mut connection = Connection::open(address);
            connection.send("POST", "/subjects/s/versions", &[JSON], Some(INT));
            let refused = connection.send("POST", "/subjects/s/versions", &[JSON], Some(br#"{"schema":"\"string\""}"#));
            assert_eq!((refused.status, refused.json()["error_code"].as_u64()), (409, Some(409)));
        },
    );
}

#[test]
fn a_list_that_is_cut_links_to_where_it_goes_on() {
    with_server(
        |config| config.limits.page_items = 2,
        |address| {
            let mut connection = Connection::open(address);
            for subject in ["a", "b", "c"] {
                let registered = connection.send("POST", &format!("/subjects/{subject}/versions"), &[JSON], Some(INT));
                assert_eq!(registered.status, 200, "{}", registered.text());
            }
            let subjects = |answer: &Answer| -> Vec<String> {
                let rows = answer.json();
                rows.as_array().unwrap().iter().map(|row| row["subject"].as_str().unwrap().to_owned()).collect()
            };

            let first = connection.send("GET", "/schemas?limit=5&deleted=true", &[], None);
            let link = first.header("link").unwrap().to_owned();
            let next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
            // As a client resolves it behind a proxy that passes on what stands behind a path of its own.
            let asked = reqwest::Url::parse("http://proxy/base/schemas?limit=5&deleted=true").unwrap();
            let next = asked.join(next).unwrap();
            assert_eq!(next.as_str(), "http://proxy/base/schemas?limit=5&deleted=true&after=1%3Ab");
            let second = connection.send("GET", next.as_str().strip_prefix("http://proxy/base").unwrap(), &[], None);

            assert_eq!((subjects(&first), subjects(&second)), (vec!["a".into(), "b".into()], vec!["c".into()]));
            assert_eq!(second.header("link"), None);
            let counted = connection.send("GET", "/schemas?after=1:a&offset=1", &[], None);
            assert_eq!(subjects(&counted), ["c"]);
            for path in ["/schemas?after=a", "/schemas?after=a&resourceType=topic"] {
                assert_eq!(connection.send("GET", path, &[], None).status, 400, "{path}");
            }
        },
    );
}

#[test]
fn a_document_has_one_path_since_its_links_are_relative_and_its_other_leads_there() {
    with_connection(|connection| {
        assert_eq!(connection.send("GET", "/docs", &[], None).status, 200);
        let slash = connection.send("GET", "/docs/", &[], None);
        assert_eq!((slash.status, slash.header("location")), (308, Some("../docs")));
        // What has no links is found as everything else is.
        assert_eq!(connection.send("GET", "/openapi.json/", &[], None).status, 200);
    });
}

#[test]
fn a_register_shows_the_schema_as_it_is_asked_for() {
    with_connection(|connection| {
        let base = br#"{"schema":"{\"type\":\"fixed\",\"name\":\"B\",\"size\":2}"}"#;
        connection.send("POST", "/subjects/base/versions", &[JSON], Some(base));
        let user = serde_json::json!({
            "schema": r#"{"type":"array","items":"B"}"#,
            "references": [{"name": "B", "subject": "base", "version": 1}],
        });
        let mut register = |query: &str| {
            let path = format!("/subjects/user/versions{query}");
            let answer = connection.send("POST", &path, &[JSON], Some(user.to_string().as_bytes()));
            answer.json()["schema"].as_str().unwrap().to_owned()
        };

        let resolved = r#"{"type":"array","items":{"type":"fixed","name":"B","size":2}}"#;
        assert_eq!(register("?format=resolved"), resolved, "of a new version");
        assert_eq!(register("?format=resolved"), resolved, "of one that was there");
        assert_eq!(register(""), r#"{"type":"array","items":"B"}"#);
    });
}
