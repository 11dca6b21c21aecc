//! Files of other kinds, cells that hold lists, and values that are not there.

use super::*;

/// The message and the hint.
fn error(name: &str, bytes: &[u8]) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let source = write(dir.path(), name, bytes);
    let result = open(&source, &ReadSettings::default());
    let error = result.and_then(Iterator::collect::<Result<Vec<_>, _>>).unwrap_err();
    let place = format!("{}/", dir.path().display());
    (error.to_string().replace(&place, ""), error.hint().unwrap().replace(&place, ""))
}

#[test]
fn files_of_other_kinds_are_named_with_a_hint_of_their_own() {
    let mut tar = vec![b'a'; 300];
    tar[257..262].copy_from_slice(b"ustar");
    let utf16: Vec<u8> = "\u{feff}{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, &[u8], &str, &str); 24] = [
        ("x.zip", b"PK\x03\x04..", "a zip archive", "unzip x.zip"),
        ("x.xlsx", b"PK\x03\x04..", "an Excel workbook", "CSV UTF-8"),
        ("x.pt", b"PK\x03\x04..", "a file of PyTorch", "JSON lines"),
        ("x.jsonl", &tar, "a tar archive", "tar -xf x.jsonl"),
        ("x.jsonl.xz", b"\xfd7zXZ\x00..", "compressed with xz", "xz -dk x.jsonl.xz"),
        ("x.jsonl.bz2", b"BZh91AY\xff", "compressed with bzip2", "bzip2 -dk"),
        ("x.7z", b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x"),
        ("x.lz4", b"\x04\x22\x4d\x18", "compressed with lz4", "lz4 -d"),
        ("x.feather", b"ARROW1\0\0", "an Arrow (Feather) file", "read_feather('x.feather')"),
        (
            "x.arrow",
            b"\xff\xff\xff\xff\x10",
            "an Arrow stream, as `datasets` keeps its tables",
            "Dataset.from_file('x.arrow')",
        ),
        ("x.parquet", b"PARE....", "an encrypted Parquet file", "without encryption"),
        ("x.pkl", b"\x80\x04\x95\x10", "a pickle of Python", "can run code"),
        ("x.npy", b"\x93NUMPY\x01", "a file of NumPy", "JSON lines"),
        ("x.h5", b"\x89HDF\r\n", "an HDF5 file", "JSON lines"),
        ("x.db", b"SQLite format 3\0", "an SQLite database", "sqlite3 -json x.db"),
        ("x.avro", b"Obj\x01", "an Avro file", "JSON lines"),
        ("x.orc", b"ORC\x08\xff", "an ORC file", "read_orc"),
        ("x.pdf", b"%PDF-1.7", "a PDF document", "JSON lines"),
        ("x.jsonl", &utf16, "text in UTF-16 or UTF-32, not in UTF-8", "iconv -f UTF-16"),
        ("x.csv", b"a\0,\0b\0", "text in UTF-16 or UTF-32, not in UTF-8", "iconv -f UTF-16"),
        (
            "x.parquet",
            b"version https://git-lfs.github.com/spec/v1\n",
            "a Git LFS pointer, not the file it points to",
            "git lfs pull",
        ),
        (
            "x.jsonl.gz",
            b"version https://git-lfs.github.com/spec/v1\n",
            "a Git LFS pointer, not the file it points to",
            "git lfs pull",
        ),
        ("x.jsonl", b"\n<!DOCTYPE html><html>", "a web page (HTML or XML), not data", "login"),
        (
            "x.parquet",
            b"Entry not found",
            "the answer of a server that refused the download",
            "login",
        ),
    ];
    for (name, bytes, words, hint) in cases {
        let (message, found) = error(name, bytes);
        assert_eq!(message, format!("`{name}`: is {words}"));
        assert!(found.contains(hint), "{name}: {found}");
        // The same inside gzip.
        if !name.ends_with("gz") && !name.ends_with("parquet") {
            let (message, _) = error("x.gz", &gzip(bytes));
            assert!(message.starts_with("`x.gz`: is "), "{message}");
        }
    }
    let (message, _) = error("x.parquet.gz", &gzip(b"PAR1...."));
    assert_eq!(message, "`x.parquet.gz`: is a Parquet file that was compressed once more");
    assert_eq!(pairs("x.csv", b"ORC,chosen,rejected\nBZh,a,b\n"), [" a b @ row 1 (line 2)"]);
}

#[test]
fn a_long_window_of_zstd_has_its_own_hint() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(30).unwrap();
    encoder.write_all(format!("{A}\n").repeat(10).as_bytes()).unwrap();
    let (message, hint) = error("x.jsonl.zst", &encoder.finish().unwrap());
    assert!(
        message.contains("broken zstd") && hint.contains("--long=31 x.jsonl.zst"),
        "{message}: {hint}"
    );
}

#[test]
fn message_lists_in_cells_are_lists() {
    let chat = |answer: &str| {
        format!(
            r#"[{{""role"": ""user"", ""content"": ""q""}}, {{""role"": ""assistant"", ""content"": ""{answer}""}}]"#
        )
    };
    let csv = format!("prompt,chosen,rejected\nq,\"{}\",\"{}\"\n", chat("a"), chat("b"));
    let read = ["q a b @ row 1 (line 2)"];
    assert_eq!(pairs("x.csv", csv.as_bytes()), read);
    // pandas writes tabs with the same quotes.
    let tsv = csv
        .replace("prompt,chosen,", "prompt\tchosen\t")
        .replace("q,\"", "q\t\"")
        .replace("\",\"[", "\"\t\"[");
    assert_eq!(pairs("x.tsv", tsv.as_bytes()), read);
    let repr = "prompt,chosen,rejected\nq,\"[{'role': 'user', 'content': 'q'}]\",\"[{'role': 'user', 'content': 'r'}]\"\n";
    let (message, hint) = error("x.csv", repr.as_bytes());
    assert_eq!(
        message,
        "`x.csv`: row 1 (line 2): field `chosen` is a list as Python's `repr` writes it: \
         `[{'role': 'user', 'content': 'q'}]`"
    );
    assert!(hint.contains("df.to_json(path, orient='records', lines=True)"), "{hint}");
    // An answer that is JSON is a text, and so is one that is a list of messages among texts.
    let texts = r#"{"prompt":"p","chosen":"{\"a\": 1}","rejected":"[1]"}
{"prompt":"q","chosen":"[{\"role\":\"user\",\"content\":\"x\"}]","rejected":"no"}"#;
    assert_eq!(
        pairs("x.jsonl", texts.as_bytes()),
        ["p {\"a\": 1} [1] @ line 1", "q [{\"role\":\"user\",\"content\":\"x\"}] no @ line 2"]
    );
}

#[test]
fn an_answer_that_is_null_is_counted_and_a_column_without_one_refused() {
    let good = r#"{"prompt":"p","chosen":"a","rejected":"b"}"#;
    for null in ["null", "NaN"] {
        let bad = format!(r#"{{"prompt":"q","chosen":"c","rejected":{null}}}"#);
        assert_eq!(
            pairs("x.jsonl", format!("{good}\n{bad}\n{good}").as_bytes()),
            ["p a b @ line 1", "an answer is missing", "p a b @ line 3"]
        );
        assert_eq!(
            error("x.jsonl", format!("{bad}\n{bad}").as_bytes()).0,
            "`x.jsonl`: line 1: all `2` pairs are unusable, the first: an answer is missing"
        );
    }
    // pandas, polars and DuckDB read an empty cell as null.
    assert_eq!(
        pairs("x.csv", b"prompt,chosen,rejected\np,a,b\nq,c,\n,The sky,The sea\n"),
        ["p a b @ row 1 (line 2)", "an answer is missing", " The sky The sea @ row 3 (line 4)"]
    );
    // A record without the field is of another layout.
    let (message, _) =
        error("x.jsonl", format!("{good}\n{{\"prompt\":\"q\",\"chosen\":\"c\"}}").as_bytes());
    assert_eq!(message, "`x.jsonl`: line 2: no field `rejected`, only `chosen`, `prompt`");
    let infinite = r#"{"prompt":"p","chosen":"a","rejected":Infinity,"x":NaN}"#;
    let (message, _) = error("x.jsonl", infinite.as_bytes());
    assert_eq!(message, "`x.jsonl`: line 1: field `rejected` is `Infinity`, not a text");
    let harmless = r#"{"prompt":"p","chosen":"a","rejected":"b","x":NaN,"y":[-Infinity]}"#;
    assert_eq!(pairs("x.jsonl", harmless.as_bytes()), ["p a b @ line 1"]);
}

#[test]
fn tables_of_old_and_of_excel_are_read() {
    let read = ["p a b @ row 1 (line 2)"];
    assert_eq!(pairs("x.csv", b"\xef\xbb\xbf\"prompt\",chosen,rejected\np,a,b\n"), read);
    assert_eq!(pairs("x.csv", b"prompt,chosen,rejected\r\np,a,b\r\n"), read);
    assert_eq!(pairs("x.csv", b"prompt,chosen,rejected\rp,a,b\r").len(), 1);
    assert_eq!(pairs("x.csv", b"prompt\tchosen\trejected\rp, q, r, s\ta\tb\r").len(), 1);
    // As pandas reads a quote inside a text.
    assert_eq!(
        pairs("x.tsv", b"prompt\tchosen\trejected\np\t\"a\nb\"\t\"say \"\"c\"\"\"\n"),
        ["p a\nb say \"c\" @ row 1 (line 2)"]
    );
}
