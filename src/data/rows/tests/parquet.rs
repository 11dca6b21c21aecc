//! Parquet: every type of column, every codec, and what is damaged.

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/data/");
    std::fs::read(format!("{path}{name}.parquet")).unwrap()
}

#[test]
fn nested_rows_are_read_whatever_compresses_their_pages() {
    for compression in ["snappy", "zstd", "gzip"] {
        // The name does not matter; the first bytes do.
        assert_eq!(
            pairs("x", &fixture(&format!("binarized-{compression}"))),
            [
                "Name a fruit. A fig. A stone. @ row 1",
                "Größe? Zwei Meter. größer @ row 2",
                "`chosen` equals `rejected`",
            ]
        );
    }
    assert_eq!(pairs("x.parquet", &fixture("stack-exchange")), ["How & why? So. No @ row 1"]);
}

#[test]
fn broken_files_are_told_apart() {
    let whole = fixture("binarized-zstd");
    let n = whole.len();
    for (bytes, expected) in [
        (whole[..n - 20].to_vec(), "broken Parquet: "),
        (whole[..60].to_vec(), "broken Parquet: "),
        (b"PAR1".to_vec(), "broken Parquet: "),
        (
            b"version https://git-lfs.github.com/spec/v1".to_vec(),
            "is a Git LFS pointer, not the file it points to",
        ),
        (
            b"{\"a\": 1}".to_vec(),
            "named as Parquet but starts with bytes `7b 22 61 22` instead of `50 41 52 31`",
        ),
        (Vec::new(), "the file is empty"),
    ] {
        let message = refused("x.parquet", bytes);
        assert!(message.starts_with(expected), "{message}");
    }
    // A damaged page is found when its row is read.
    let mut damaged = whole;
    damaged[40..200].fill(0xa5);
    let message = refused("x.parquet", damaged);
    assert!(message.starts_with("broken Parquet: row 1: "), "{message}");
}

/// The first record of a file of `make_columns.py`, as JSON text.
fn record(name: &str, named: &[&str]) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    let source = write(dir.path(), "x.parquet", &fixture(&format!("columns/{name}")));
    let mut rows = Rows::open_with(&source, named).unwrap();
    let (_, record) = rows.next().unwrap().unwrap();
    serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap()
}

#[test]
fn values_of_every_type_are_those_of_pyarrow() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/data/columns/types.json");
    let peer: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap().replace("NaN", "\"NaN\""))
            .unwrap();
    let ours = record("types", &[]);
    let mut n_compared = 0;
    for (name, expected) in peer.as_object().unwrap() {
        let found = &ours[name];
        let expected = match name.as_str() {
            // pyarrow makes days, times and exact numbers objects of Python.
            "date32" | "date64" => serde_json::json!(19_849),
            "time32" => serde_json::json!(3_720_000),
            "timestamp_s" => serde_json::json!(1_714_979_289_000_i64),
            "timestamp_ns" => serde_json::json!(1_714_979_289_000_000_000_i64),
            "duration" => serde_json::json!(86_400_000_000_i64),
            "decimal32" => serde_json::json!("1.50"),
            "decimal128" => serde_json::json!("-12.50"),
            "decimal256" => serde_json::json!("12.50"),
            "time64_ns" => serde_json::json!(1),
            // Bytes are a text where they can be one.
            "binary" => serde_json::json!("bytes that are no text"),
            "binary_text" => serde_json::json!("x"),
            "fixed_binary" => serde_json::json!("\u{1}\u{2}\u{3}"),
            "uuid" => serde_json::json!("\0".repeat(15) + "\u{5}"),
            "json" => serde_json::json!({"x": [1, null]}),
            // pyarrow has pairs where a map is meant.
            "map" => serde_json::json!({"k": "v", "l": null}),
            "map_int" => serde_json::json!({"1": "v"}),
            "list_map" => serde_json::json!([{"role": "user", "content": "q"}]),
            _ => expected.clone(),
        };
        assert_eq!(found, &expected, "{name}");
        n_compared += 1;
    }
    assert!(n_compared > 35);
    assert_eq!(record("int96", &[])["t"], serde_json::json!(1_714_979_289_000_i64));
}

#[test]
fn every_codec_is_read() {
    for codec in ["none", "lz4", "brotli"] {
        let found = pairs("x.parquet", &fixture(&format!("columns/codec-{codec}")));
        assert_eq!(found, ["p a b @ row 1"], "{codec}");
    }
}

#[test]
fn columns_that_cannot_be_read_are_harmless_until_they_are_needed() {
    // Of DuckDB, which has spans of time.
    assert_eq!(pairs("x.parquet", &fixture("columns/duckdb")), ["p a b @ row 1"]);
    let found = record("duckdb", &[]);
    assert_eq!(found["i"], "spans of time (INTERVAL)");
    assert_eq!(found["s"], "spans of time (INTERVAL)");
    assert_eq!(
        (&found["h"], &found["j"], &found["m"]),
        (&serde_json::json!(5.0), &serde_json::json!({"x": 1}), &serde_json::json!({"k": "v"}))
    );
    let columns = crate::domain::spec::ColumnsSpec {
        a: crate::domain::spec::Names::One("chosen".into()),
        b: crate::domain::spec::Names::One("i".into()),
        label: crate::domain::spec::Names::One("a".into()),
        ..Default::default()
    };
    let settings = ReadSettings { columns, ..ReadSettings::default() };
    let message = error_of("x.parquet", &fixture("columns/duckdb"), &settings);
    assert!(message.contains("field `i` is `spans of time (INTERVAL)`"), "{message}");
}

#[test]
fn heavy_columns_are_left_aside_unless_they_are_named() {
    let found = record("heavy", &[]);
    assert_eq!(found["embedding"], "long lists of numbers");
    assert_eq!(found["input_ids"], "long lists of numbers");
    assert_eq!(found["image"], "images or sounds");
    assert_eq!(found["scores"], serde_json::json!([1.0, 2.0]), "a short list is a list of scores");
    let found = record("heavy", &["input_ids", "image.path"]);
    assert_eq!(found["input_ids"][999], 999);
    assert_eq!(found["image"]["path"], "x.png");
    assert_eq!(found["embedding"], "long lists of numbers");
    let dir = tempfile::tempdir().unwrap();
    let source = write(dir.path(), "x.parquet", &fixture("columns/heavy"));
    let (_, notes) = look(&source, &ReadSettings::default()).unwrap();
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "not read: `image`, images or sounds",
            "not read: `embedding`, `input_ids`, long lists of numbers"
        ]
    );
}

#[test]
fn what_datasets_says_about_its_columns_is_read() {
    let found = record("json-feature", &[]);
    assert_eq!(found["chosen"][1], serde_json::json!({"role": "assistant", "content": "a"}));
    assert_eq!(found["rejected"][1], serde_json::json!({"role": "assistant", "content": "b"}));
    assert_eq!(found["better"], "chosen", "a class has a name");
    assert_eq!(pairs("x.parquet", &fixture("columns/json-feature")), ["q a b @ row 1"]);
}
