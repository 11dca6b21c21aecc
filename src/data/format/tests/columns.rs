//! Layouts that are said by their columns.

use super::*;

fn columns(text: &str) -> ReadSettings {
    let columns = toml::from_str(text).unwrap();
    ReadSettings { columns, ..ReadSettings::default() }
}

#[test]
fn a_label_names_the_better_of_two() {
    let settings =
        columns("prompt = 'Which? {title} ({stance})'\na = 'a1'\nb = 'a2'\nlabel = 'label'");
    let record = |label: &str| {
        format!(r#"{{"title":"Tea","stance":"pro","label":{label},"a1":"x","a2":"y"}}"#)
    };
    let prompt = "Which? Tea (pro)";
    for (label, expected) in [
        ("\"a1\"", format!("{prompt}|x|y")),
        ("\"a2\"", format!("{prompt}|y|x")),
        ("1", format!("{prompt}|x|y")),
        ("2.0", format!("{prompt}|y|x")),
        ("\"B\"", format!("{prompt}|y|x")),
        ("true", format!("{prompt}|x|y")),
    ] {
        assert_eq!(pairs_as(&record(label), &settings), [expected], "{label}");
    }
    let tied = "all `1` pairs are unusable, the first: a tie";
    assert_eq!(refusal(&record("\"equal\""), &settings), tied);
    assert_eq!(
        refusal(&record("\"\""), &settings),
        "all `1` pairs are unusable, the first: an answer has no rating"
    );
    assert_eq!(
        refusal(&record("\"good\""), &settings),
        "field `label` is `good`, which does not say which answer is better"
    );
    let settings = columns("a = 'a1'\nb = 'a2'\nlabel = 'label'\nvalues = ['0', '1', 'same']");
    assert_eq!(pairs_as(&record("0"), &settings), ["|x|y"]);
    assert_eq!(pairs_as(&record("1"), &settings), ["|y|x"]);
    assert_eq!(refusal(&record("\"same\""), &settings), tied);
}

#[test]
fn several_annotators_vote() {
    let settings = columns("prompt = 'q'\na = 'x'\nb = 'y'\nlabel = ['l', 'm', 'n']");
    let record =
        |l: u32, m: u32, n: u32| format!(r#"{{"q":"Q","x":"X","y":"Y","l":{l},"m":{m},"n":{n}}}"#);
    assert_eq!(pairs_as(&record(2, 1, 2), &settings), ["Q|Y|X"]);
    // A label 2 says that 1 is the first and 0 a tie.
    let explained = [record(1, 1, 0), record(2, 2, 2)].join("\n");
    let sides = ["|X|Y", "|Y|X"].map(|answers| format!("Q{answers}"));
    assert_eq!(pairs_as(&explained, &settings), sides);
    assert!(refusal(&record(1, 1, 0), &settings).contains("all `0` or `1`"));
    let tied = "all `1` pairs are unusable, the first: a tie";
    assert_eq!(refusal(&record(1, 2, 0), &settings), tied);
}

#[test]
fn scores_order_and_lists() {
    let record = r#"{"q":"Q","x":"X","y":"Y","sx":0.1,"sy":"0.7","good":["g","h"],"bad":["b"],
"three":["one","two","three"],"labels":[2,0,1],"marks":[3,1,2]}"#;
    let q = "Q";
    for (text, expected) in [
        ("prompt='q'\na='x'\nb='y'\nscore=['sx','sy']", vec!["|Y|X"]),
        ("prompt='q'\na='x'\nb='y'\nlabel='a'", vec!["|X|Y"]),
        ("prompt='q'\na='good'\nb='bad'\nlabel='a'", vec!["|g|b", "|h|b"]),
        ("prompt='q'\na='three'\nlabel='a'", vec!["|one|two", "|one|three", "|two|three"]),
        // The pairs (1,2), (1,3), (2,3): the second, a tie, the first.
        ("prompt='q'\na='three'\nlabel='labels'", vec!["", "|two|one", "|two|three"]),
        ("prompt='q'\na='three'\nscore='marks'", vec!["|one|two", "|one|three", "|three|two"]),
        ("prompt='q'\na=['x','y']\nlabel='sx'\nvalues=['0.7','0.1']", vec!["|Y|X"]),
    ] {
        let expected: Vec<String> = expected
            .into_iter()
            .map(|tail| if tail.is_empty() { "a tie".into() } else { format!("{q}{tail}") })
            .collect();
        assert_eq!(pairs_as(record, &columns(text)), expected, "{text}");
    }
}

#[test]
fn columns_that_are_not_there_or_do_not_fit() {
    let record = r#"{"q":"Q","x":"X","y":"Y","l":1,"list":["a","b"],"n":[1,2,3]}"#;
    for (text, expected) in [
        (
            "prompt='p'\na='x'\nb='y'\nlabel='a'",
            "no field `p`, only `l`, `list`, `n`, `q`, `x`, `y`",
        ),
        ("a='z'\nb='y'\nlabel='a'", "no field `z`, only `l`, `list`, `n`, `q`, `x`, `y`"),
        ("a='x'\nb='y'\nlabel='z'", "no field `z`, only `l`, `list`, `n`, `q`, `x`, `y`"),
        ("a='x'\nb='y'\nscore='l'", "field `l` has `1` entries, not 2, one for each answer"),
        (
            "a='list'\nb='y'\nlabel='l'",
            "field `list` has `2` entries, not 1, as a label judges one pair",
        ),
        ("a='list'\nlabel='n'", "field `n` has `3` entries, not 1, one for each pair of answers"),
        (
            "a='x'\nlabel='a'",
            "all `1` pairs are unusable, the first: fewer than two answers to compare",
        ),
    ] {
        assert_eq!(refusal(record, &columns(text)), expected, "{text}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "x.jsonl", record.as_bytes());
    let error = open(&file, &forced(DatasetFormat::Columns)).err().unwrap();
    assert!(error.to_string().starts_with("`data.format` is `columns`"), "{error}");
}

#[test]
fn order_is_a_label_only_where_it_was_said() {
    let record = r#"{"q":"Q","x":"X","y":"Y","a":"a label of its own"}"#;
    assert_eq!(
        refusal(record, &columns("a='x'\nb='y'")),
        "`x.jsonl`: `data.columns` does not say which answer is better (x, y)"
    );
    assert_eq!(
        refusal(record, &columns("a=['x','y']")),
        "`x.jsonl`: `data.columns` does not say which answer is better (x, y)"
    );
    assert_eq!(
        refusal(record, &columns("a='x'\nb='y'\nlabel='a'")),
        "`data.columns.label` is `a`, which says that the first answer is the better one, but there is \
         a column `a` too"
    );
    let own = r#"{"a":{"good":"X","bad":"Y"}}"#;
    assert_eq!(pairs_as(own, &columns("a='a.good'\nb='a.bad'\nlabel='a'")), ["|X|Y"]);
}

/// One pair in seven layouts gives one prompt and two answers, as they were given.
#[test]
fn the_same_pair_is_stored_alike_whatever_layout_it_came_in() {
    let expected = ["What is 2 and 2?| four |five"];
    for record in [
        r#"{"prompt":"What is 2 and 2?","chosen":" four ","rejected":"five"}"#,
        r#"{"instruction":"What is 2 and 2?","chosen":" four ","rejected":"five"}"#,
        r#"{"input":"What is 2 and 2?","chosen":" four ","rejected":"five"}"#,
        r#"{"question":"What is 2 and 2?","chosen":" four ","rejected":"five"}"#,
        r#"{"prompt":"What is 2 and 2?","responses":["five"," four "],"scores":[1,2]}"#,
        r#"{"prompt":[{"role":"user","content":"What is 2 and 2?"}],
"chosen":[{"role":"assistant","content":" four "}],"rejected":[{"role":"assistant","content":"five"}]}"#,
        r#"{"chosen":[{"role":"user","content":"What is 2 and 2?"},{"role":"assistant","content":" four "}],
"rejected":[{"role":"user","content":"What is 2 and 2?"},{"role":"assistant","content":"five"}]}"#,
        r#"{"conversations":[{"from":"human","value":"What is 2 and 2?"}],
"chosen":{"from":"gpt","value":" four "},"rejected":{"from":"gpt","value":"five"}}"#,
    ] {
        assert_eq!(pairs(record), expected, "{record}");
    }
    let named = columns("prompt='q'\na='x'\nb='y'\nlabel='a'");
    let record = r#"{"q":"What is 2 and 2?","x":" four ","y":"five"}"#;
    assert_eq!(pairs_as(record, &named), expected);
    // A prompt that ends in a mark is continued as it stands, in columns as in TRL's layout.
    let marked = r#"{"q":"\n\nHuman: Hi\n\nAssistant:","x":" yes","y":"no"}"#;
    let expected = ["¶Human: Hi¶Assistant:| yes|no"];
    assert_eq!(pairs_as(marked, &named), expected);
    let marked = marked.replace("\"q\"", "\"prompt\"").replace("\"x\"", "\"chosen\"");
    assert_eq!(pairs(&marked.replace("\"y\"", "\"rejected\"")), expected);
}
