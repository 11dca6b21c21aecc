//! Records in the fields of published sets that were once read as something else.

use super::*;
use crate::data::testing::only_pair;
use crate::domain::text::conversation::TextForm;

fn form(record: &str) -> TextForm {
    only_pair(&record.replace('\n', " ")).pair.form
}

#[test]
fn instructions_come_before_a_question_that_the_answers_repeat() {
    let record = r#"{"system":"S","prompt":"q","chosen":[{"role":"user","content":"q"},
{"role":"assistant","content":"a"}],"rejected":[{"role":"user","content":"q"},
{"role":"assistant","content":"b"}]}"#;
    assert_eq!(pairs(record), ["S¶Human: q¶Assistant:| a| b"]);
    // Their own instructions stay.
    let own = r#"{"system":"S","prompt":"q","chosen":[{"role":"system","content":"T"},
{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"rejected":
[{"role":"system","content":"T"},{"role":"user","content":"q"},
{"role":"assistant","content":"b"}]}"#;
    assert_eq!(pairs(own), ["T¶Human: q¶Assistant:| a| b"]);
    for record in [
        r#"{"system":"S","instruction":"q","chosen_response":"a","rejected_response":"b"}"#,
        r#"{"system_prompt":"S","prompt":"q","chosen_response":"a","rejected_response":"b"}"#,
    ] {
        assert_eq!(pairs(record), ["S¶Human: q¶Assistant:| a| b"], "{record}");
    }
}

#[test]
fn tools_reach_the_template_from_wherever_they_stand() {
    let tool = r#"{"type":"function","function":{"name":"t"}}"#;
    let text = r#""[{\"type\":\"function\",\"function\":{\"name\":\"t\"}}]""#;
    for record in [
        format!(
            r#"{{"input":{{"messages":[{{"role":"user","content":"q"}}],"tools":[{tool}]}},
"preferred_output":[{{"role":"assistant","content":"a"}}],
"non_preferred_output":[{{"role":"assistant","content":"b"}}]}}"#
        ),
        format!(
            r#"{{"conversations":[{{"from":"human","value":"q"}}],"tools":{text},
"chosen":{{"from":"gpt","value":"a"}},"rejected":{{"from":"gpt","value":"b"}}}}"#
        ),
        format!(r#"{{"instruction":"q","chosen":"a","rejected":"b","tools":{text}}}"#),
    ] {
        assert_eq!(form(&record).globals(), format!(r#"{{"tools":[{tool}]}}"#), "{record}");
        assert_eq!(pairs(&record), ["q|a|b"]);
    }
    // No tools, as LLaMA-Factory writes it.
    let none = r#"{"instruction":"q","chosen":"a","rejected":"b","tools":""}"#;
    assert_eq!(form(none).globals(), "");
}

#[test]
fn the_one_conversation_that_waits_is_the_question() {
    let record = r#"{"task":"m","trajectory":[{"from":"user","value":"q"}],"chosen":"a",
"rejected":"b","id":"1","parent_id":"0"}"#;
    assert_eq!(pairs(record), ["q|a|b"]);
    // Two of them leave it open, and an answered one is no question.
    let two = r#"{"x":[{"role":"user","content":"q"}],"y":[{"role":"user","content":"r"}],
"chosen":"a","rejected":"b"}"#;
    assert_eq!(pairs(two), ["|a|b"]);
    let answered = r#"{"x":[{"role":"assistant","content":"q"}],"chosen":"a","rejected":"b"}"#;
    assert_eq!(pairs(answered), ["|a|b"]);
}

#[test]
fn a_prompt_that_a_template_wrote_is_not_written_again() {
    let chatml = r"<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n";
    for prompt in [chatml, "<s>[INST] q [/INST]", r"<bos><start_of_turn>user\nq", "<｜User｜>q"] {
        for field in ["prompt", "context", "question"] {
            let record = format!(r#"{{"{field}":"{prompt}","chosen":"a ","rejected":"b"}}"#);
            let pair = only_pair(&record).pair;
            assert_eq!(pair.form, TextForm::Whole, "{record}");
            assert_eq!(pair.prompt, prompt.replace(r"\n", "\n"));
            assert_eq!((pair.chosen.as_str(), pair.rejected.as_str()), ("a ", "b"));
        }
    }
    // Marks within a question are a question's.
    let about = r#"{"prompt":"What is <|im_start|>?","chosen":"a","rejected":"b"}"#;
    assert_eq!(form(about), TextForm::Plain);
}

#[test]
fn names_of_columns_are_no_answers() {
    let record = r#"{"prompt":"q","response_a":"x","response_b":"y","chosen":"response_b",
"rejected":"response_a"}"#;
    assert_eq!(
        refusal(record, &ReadSettings::default()),
        "`chosen` and `rejected` are `response_b` and `response_a`, names of other columns"
    );
    let several = r#"{"prompt":"q","chosen":"a","rejected":["b","c"]}"#;
    assert_eq!(
        refusal(several, &ReadSettings::default()),
        "field `rejected` is a list of several answers"
    );
}

#[test]
fn arena_votes_of_one_in_three() {
    let record = |prompt: &str, a: &str, b: &str, votes: [u8; 3]| {
        let [won, lost, tied] = votes;
        format!(
            r#"{{"id":3,"model_a":"m","model_b":"n","prompt":{prompt},"response_a":{a},
"response_b":{b},"winner_model_a":{won},"winner_model_b":{lost},"winner_tie":{tied}}}"#
        )
    };
    let [q, a, b] = [r#"["q"]"#, r#"["a"]"#, r#"["b"]"#];
    let as_text = |list: &str| serde_json::Value::from(list).to_string();
    assert_eq!(format_of(&record(q, a, b, [1, 0, 0]).replace('\n', " ")), DatasetFormat::Arena);
    for [q, a, b] in [[q, a, b].map(str::to_owned), [q, a, b].map(as_text)] {
        assert_eq!(pairs(&record(&q, &a, &b, [1, 0, 0])), ["q|a|b"]);
        assert_eq!(pairs(&record(&q, &a, &b, [0, 1, 0])), ["q|b|a"]);
        let tied = "all `1` pairs are unusable, the first: a tie";
        assert_eq!(refusal(&record(&q, &a, &b, [0, 0, 1]), &ReadSettings::default()), tied);
    }
    assert_eq!(
        pairs(&record(r#"["q","r"]"#, r#"["a","c"]"#, r#"["b","d"]"#, [0, 1, 0])),
        ["¶Human: q¶Assistant:| b¶Human: r¶Assistant: d| a¶Human: r¶Assistant: c"]
    );
    for (reply, expected) in [
        (r"[null]", "all `1` pairs are unusable, the first: an answer is missing"),
        (r"[]", "field `response_b` has `0` entries, not 1, one for each turn of `prompt`"),
        ("[1]", "field `response_b` is `1`, not a text, or a list of turns (text)"),
    ] {
        let record = record(q, a, reply, [1, 0, 0]);
        assert_eq!(refusal(&record, &ReadSettings::default()), expected);
    }
}

#[test]
fn both_bad_is_a_tie() {
    let record = |winner: &str| {
        format!(
            r#"{{"conversation_a":[{{"role":"user","content":"q"}},{{"role":"assistant","content":"a"}}],
"conversation_b":[{{"role":"user","content":"q"}},{{"role":"assistant","content":"b"}}],
"winner":"{winner}"}}"#
        )
    };
    assert_eq!(pairs(&record("model_b")), ["q|b|a"]);
    let tied = "all `1` pairs are unusable, the first: a tie";
    for winner in ["both_bad", "tie (bothbad)", "tie"] {
        assert_eq!(refusal(&record(winner), &ReadSettings::default()), tied, "{winner}");
    }
}
