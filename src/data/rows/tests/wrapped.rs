//! Records inside one object, records over several lines, and tables written column by column: what
//! pandas 3.1, `datasets` 5.2, the data set viewer and wandb write.

use super::*;

const READ: [&str; 2] = ["p a b", "q c d"];

/// The pairs without their places.
fn texts(name: &str, text: &str) -> Vec<String> {
    let found = pairs(name, text.as_bytes());
    found.iter().map(|pair| pair.split(" @ ").next().unwrap().to_owned()).collect()
}

fn notes(text: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let found = look(&write(dir.path(), "x.json", text.as_bytes()), &ReadSettings::default());
    found.unwrap().1.iter().map(ToString::to_string).collect()
}

const P: &str = r#"{"prompt":"p","chosen":"a","rejected":"b"}"#;
const Q: &str = r#"{"prompt":"q","chosen":"c","rejected":"d"}"#;

#[test]
fn a_list_inside_an_object_is_the_list_of_records() {
    for (text, key) in [
        (format!("{{\"data\":[{P},{Q}]}}"), "data"),
        (format!("{{\n \"version\": 1, \"meta\": {{\"a\": [1]}},\n \"examples\": [\n{P},\n{Q}]\n}}\n"), "examples"),
        (format!("{{\"train\":[{P},{Q}],\"test\":[],\"names\":[\"x\"]}}"), "train"),
        (format!("{{\"comparisons\":[{P},{Q}],\"people\":[{{\"name\":\"x\"}}]}}"), "comparisons"),
        // pandas, orient="table".
        (
            format!(r#"{{"schema":{{"fields":[{{"name":"index","type":"integer"}}],"primaryKey":["index"],"pandas_version":"1.4.0"}},"data":[{P},{Q}]}}"#),
            "data",
        ),
        // pandas, orient="split".
        (
            r#"{"columns":["prompt","chosen","rejected"],"index":[0,1],"data":[["p","a","b"],["q","c","d"]]}"#.to_owned(),
            "data",
        ),
        // A table of wandb.
        (
            r#"{"columns": ["prompt", "chosen", "rejected"], "data": [["p", "a", "b"], ["q", "c", "d"]], "ncols": 3, "nrows": 2}"#.to_owned(),
            "data",
        ),
        // The rows of the data set viewer.
        (
            format!(
                r#"{{"features":[{{"feature_idx":0,"name":"prompt","type":{{"dtype":"string","_type":"Value"}}}}],"rows":[{{"row_idx":0,"row":{P},"truncated_cells":[]}},{{"row_idx":1,"row":{Q},"truncated_cells":[]}}],"num_rows_total":2,"num_rows_per_page":100,"partial":false}}"#
            ),
            "rows",
        ),
    ] {
        assert_eq!(texts("x.json", &text), READ, "{text}");
        assert_eq!(texts("x.jsonl", &text), READ, "{text}");
        assert_eq!(notes(&text), [format!("the records are the list under `{key}`")]);
        let gz = gzip(format!("\u{feff}{text}").as_bytes());
        assert_eq!(pairs("x.json.gz", &gz).len(), 2);
    }
}

#[test]
fn records_over_several_lines_follow_each_other() {
    let pretty = |record: &str| {
        record.replace("{\"", "{\n  \"").replace(",\"", ",\n  \"").replace('}', "\n}")
    };
    assert_eq!(texts("x.json", &pretty(P)), ["p a b"]);
    assert_eq!(texts("x.jsonl", &format!("{}\n{}\n", pretty(P), pretty(Q))), READ);
    assert_eq!(texts("x.jsonl", &format!("{P}{Q}")), READ);
    // Line ends of old: `datasets` reads them too.
    assert_eq!(texts("x.jsonl", &format!("{P}\r{Q}\r")), READ);
    assert_eq!(texts("x.jsonl", &format!("\u{feff}{P}\r\n\r\n   \n{Q}")), READ);
    assert!(notes(P).is_empty());
    assert_eq!(
        refused("x.jsonl", format!("{}\n{{\"prompt\":\n \"p\"", pretty(P))),
        "element 2 (line 6): broken JSON at column 4 of its line 2: EOF while parsing an object: \
         ` \"p\"`"
    );
}

#[test]
fn one_record_alone_is_a_record() {
    // Its answers are a list of objects, and no records.
    let rated = r#"{"prompt":"p","answers":[{"text":"a","score":2},{"text":"b","score":1}]}"#;
    assert!(notes(rated).is_empty());
    let unknown = r#"{"question":"p","replies":[{"text":"a"},{"text":"b"}]}"#;
    assert!(
        refused("x.json", unknown).starts_with("line 1: no known layout has the fields `question`")
    );
    let chat = r#"{"chosen":[{"role":"user","content":"p"},{"role":"assistant","content":"a"}],
        "rejected":[{"role":"user","content":"p"},{"role":"assistant","content":"b"}]}"#;
    assert_eq!(texts("x.json", chat), ["p a b"]);
}

#[test]
fn what_cannot_be_read_in_a_stream_is_named() {
    for (text, expected) in [
        (
            format!("{{\"a\":[{P}],\"b\":[{Q}]}}"),
            "one object with several lists of records: `a`, `b`",
        ),
        (
            r#"{"prompt":{"0":"p","1":"q"},"chosen":{"0":"a"},"rejected":{"0":"b"}}"#.to_owned(),
            "one object of columns, as pandas' `to_json` writes it without `orient`",
        ),
        (
            format!("{{\"0\":{P},\"1\":{Q}}}"),
            "one object of numbered rows, as pandas' `to_json(orient='index')` writes it",
        ),
        (
            r#"{"prompt":["p","q"],"chosen":["a","c"],"rejected":["b","d"],"n":[1,2]}"#.to_owned(),
            "one object with one list a column, not a list of records",
        ),
        (
            r#"[["prompt","chosen"],["p","a"]]"#.to_owned(),
            "element 1 (line 1): not a JSON object: `[\"prompt\",\"chosen\"]`",
        ),
        (
            r#"{"columns":["prompt","chosen","rejected"],"data":[["p","a"]]}"#.to_owned(),
            "element 1 (line 1): `2` values, but `3` columns",
        ),
        (
            format!(r#"{{"rows":[{{"row_idx":0,"row":{P},"truncated_cells":["chosen"]}}]}}"#),
            "element 1 (line 1): the cells of `chosen` are cut short",
        ),
        (
            format!("{{\"data\":[{P},]}}"),
            "line 1: broken JSON array: a comma before the closing bracket",
        ),
        (r#"{"data":[]}"#.to_owned(), "line 1: no known layout has the fields `data`"),
        ("{}".to_owned(), "line 1: no known layout has the fields an empty object"),
    ] {
        assert_eq!(refused("x.json", &text), expected, "{text}");
    }
}

#[test]
fn a_large_wrapped_list_is_never_held_whole() {
    let mut text = b"{\"info\":\"x\",\"data\":[".to_vec();
    for i in 0..3_000 {
        let comma = if i == 0 { "" } else { "," };
        let answer = "y ]}\\\" ".repeat(i % 50);
        write!(text, r#"{comma}{{"prompt":"{i}","chosen":"a{answer}","rejected":"b"}}"#).unwrap();
    }
    text.extend(b"]}");
    assert_eq!(pairs("x.json", &text).len(), 3_000);
}
