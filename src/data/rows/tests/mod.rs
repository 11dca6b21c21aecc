//! Every kind of file, whole and broken.

use std::io::Write;

use crate::data::reader::look;
use crate::data::rows::Rows;
use crate::data::testing::{error_of, gzip, write};
use crate::data::{ReadSettings, SourceItem, open};

mod kinds;
#[cfg(feature = "parquet")]
mod parquet;
mod wrapped;

const A: &str = r#"{"prompt":"p","chosen":"a] \" {","rejected":"b"}"#;
const B: &str = r#"{"prompt": "q",
 "chosen": "c, d", "rejected": "é", "x": [1, {"y": []}]}"#;

/// `prompt chosen rejected @ place` of every pair.
fn pairs(name: &str, bytes: &[u8]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let reader = open(&write(dir.path(), name, bytes), &ReadSettings::default());
    reader
        .unwrap()
        .map(|item| match item.unwrap() {
            SourceItem::Pair(found) => {
                let pair = found.pair;
                format!("{} {} {} @ {}", pair.prompt, pair.chosen, pair.rejected, found.at)
            }
            SourceItem::Dropped { reason, .. } => reason.to_string(),
        })
        .collect()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

fn refused(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let message = error_of(name, bytes.as_ref(), &ReadSettings::default());
    message.replace(&format!("`{name}`: "), "")
}

#[test]
fn arrays_are_read_element_by_element() {
    let expected = ["p a] \" { b @ element 1 (line 2)", "q c, d é @ element 2 (line 4)"];
    let array = format!("\u{feff}[\n{A}\n,\n{B}]\n ");
    assert_eq!(pairs("x.json", array.as_bytes()), expected);
    assert_eq!(pairs("x.json.gz", &gzip(array.as_bytes())), expected);
    assert_eq!(pairs("x", &zstd(array.as_bytes())), expected);
    let compact = format!("[{A},{A}]");
    assert_eq!(pairs("x.jsonl", compact.as_bytes()).len(), 2);
}

#[test]
fn a_large_array_is_never_held_whole() {
    // Elements cross the borders of every buffer on the way.
    let mut array = vec![b'['];
    for i in 0..5_000 {
        let text = "x\\\"]}".repeat(i % 40);
        let comma = if i == 0 { "" } else { "," };
        write!(array, r#"{comma}{{"prompt":"{i}","chosen":"{text}","rejected":"r"}}"#).unwrap();
    }
    array.push(b']');
    let found = pairs("x.json", &array);
    assert_eq!(found.len(), 5_000);
    assert!(found[4_999].starts_with(&format!("4999 {} r", "x\"]}".repeat(39))));
}

#[test]
fn broken_arrays_say_where() {
    for (text, expected) in [
        (
            format!("[{A}"),
            "line 1: broken JSON array: ends after element 1 without a closing bracket",
        ),
        (format!("[{A},\n{{\"a\": \"b"), "line 2: broken JSON array: ends inside element 2"),
        (format!("[{A}\n{A}]"), "line 2: broken JSON array: no comma after element 1"),
        (format!("[{A},]"), "line 1: broken JSON array: a comma before the closing bracket"),
        (format!("[{A}]\n{A}"), "line 2: broken JSON array: text after the closing bracket"),
        (format!("[{A}, 7]"), "element 2 (line 1): not a JSON object: `7`"),
        (
            format!("[{A},\n{{\"prompt\":\"p\",\n\"chosen\" \"c\"}}]"),
            "element 2 (line 2): broken JSON at column 10 of its line 2: expected `:`: `\"chosen\" \"c\"}`",
        ),
        ("[]".to_owned(), "the file is empty"),
        (
            "{\n\"prompt\": 1".to_owned(),
            "line 1: broken JSON at column 1: EOF while parsing an object: `{`",
        ),
    ] {
        assert_eq!(refused("x.json", &text), expected, "{text}");
    }
    let long = format!("[{{\"prompt\":\"{}", "x".repeat(17 << 20));
    assert!(
        refused("x.json", long).starts_with("element 1 (line 1): longer than `16777216` bytes")
    );
    let mut bytes = format!("[{A}]").into_bytes();
    bytes[14] = 0xfe;
    assert_eq!(
        refused("x.json", bytes),
        "element 1 (line 1): byte `0xfe` at column 14 is not valid UTF-8"
    );
}

#[test]
fn tables_have_quotes_whatever_divides_them() {
    let csv = "prompt,chosen,rejected\np,\"a, \"\"b\"\"\nc\",d\nq,e,f\n";
    assert_eq!(
        pairs("x.csv", csv.as_bytes()),
        ["p a, \"b\"\nc d @ row 1 (line 2)", "q e f @ row 2 (line 4)"]
    );
    let semicolons = csv.replace(",\"a, ", ";\"a, ").replace("c\",d", "c\";d");
    let semicolons = semicolons.replace("prompt,chosen,rejected", "prompt;chosen;rejected");
    let semicolons = semicolons.replace("q,e,f", "q;e;f");
    assert_eq!(pairs("x.csv", semicolons.as_bytes()), pairs("x.csv", csv.as_bytes()));
    // As pandas reads it.
    let tsv = "prompt\tchosen\trejected\np\t\"a\" b\"\td\n";
    assert_eq!(pairs("x.tsv", tsv.as_bytes()), ["p a b\" d @ row 1 (line 2)"]);
    assert_eq!(pairs("x.csv.zst", &zstd(tsv.as_bytes())), pairs("x.tsv", tsv.as_bytes()));
}

#[test]
fn broken_tables_say_which_row() {
    let header = "prompt,chosen,rejected\n";
    for (text, expected) in [
        (format!("{header}p,a\n"), "row 1 (line 2): `2` cells, but `3` columns"),
        (format!("{header}p,a,b\nq,a,b,c\n"), "row 2 (line 3): `4` cells, but `3` columns"),
        (format!("{header}p,\"a,b\nq,c,d\n"), "row 1 (line 2): `2` cells, but `3` columns"),
        ("prompt,chosen,chosen\n".to_owned(), "line 1: two columns are named `chosen`"),
        ("just words\n".to_owned(), "line 1: only one column: `just words`"),
        ("a,b\n1,2\n".to_owned(), "row 1 (line 2): no known layout has the fields `a`, `b`"),
        (header.to_owned(), "the file is empty"),
        (
            "prompt,chosen,better\np,a,b\n".to_owned(),
            "row 1 (line 2): no field `rejected`, only `better`, `chosen`, `prompt`",
        ),
    ] {
        assert_eq!(refused("x.csv", &text), expected, "{text}");
    }
    let mut bytes = format!("{header}p,a,b\n").into_bytes();
    bytes[25] = 0xff;
    assert_eq!(
        refused("x.csv", bytes),
        "row 1 (line 2): the cell of column `chosen` is not valid UTF-8"
    );
    let endless = format!("{header}p,\"{}", "x\n".repeat(10 << 20));
    assert!(refused("x.csv", endless).contains("longer than `16777216` bytes"));
}

#[test]
fn broken_zstd_is_told_apart() {
    let whole = zstd(format!("{A}\n").repeat(50).as_bytes());
    assert_eq!(pairs("x.jsonl.zst", &whole).len(), 50);
    assert_eq!(
        refused("x.jsonl.zst", A),
        "named as zstd but starts with bytes `7b 22 70 72` instead of `28 b5 2f fd`"
    );
    let cut = refused("x.jsonl.zst", &whole[..whole.len() - 6]);
    assert!(cut.ends_with("broken zstd: `cut short`"), "{cut}");
    let mut damaged = whole.clone();
    // A reserved bit of the frame header.
    damaged[4] |= 8;
    let damaged = refused("x.jsonl.zst", damaged);
    assert!(damaged.contains("broken zstd: `"), "{damaged}");
}
