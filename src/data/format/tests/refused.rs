//! What is wrong with a record, in the words of its layout: at least five variants each.

use super::*;

/// Checks the messages about variants of a record, each made by one replacement.
#[track_caller]
fn variants(format: DatasetFormat, good: &str, cases: &[(&str, &str, &str)]) {
    assert!(cases.len() >= 5, "{} variants", cases.len());
    assert!(!pairs_as(good, &forced(format)).is_empty());
    for (from, to, expected) in cases {
        assert!(good.contains(from), "`{from}` is not in {good}");
        assert_eq!(refusal(&good.replacen(from, to, 1), &forced(format)), *expected, "{from} {to}");
    }
}

#[test]
fn hh_rlhf() {
    variants(
        DatasetFormat::HhRlhf,
        r#"{"chosen":"\n\nHuman: a\n\nAssistant: b","rejected":"\n\nHuman: a\n\nAssistant: c"}"#,
        &[
            ("chosen", "better", "no field `chosen`, only `better`, `rejected`"),
            ("rejected", "worse", "no field `rejected`, only `chosen`, `worse`"),
            (
                r"\n\nAssistant: b",
                "",
                r"field `chosen` has no `\n\nAssistant:` turn: `\n\nHuman: a`",
            ),
            (r#""\n\nHuman: a\n\nAssistant: c""#, "7", "field `rejected` is `7`, not a text"),
            (
                r#""\n\nHuman: a\n\nAssistant: b""#,
                "{}",
                "field `chosen` is `an object`, not a text or a list of messages",
            ),
            (
                "Human: a",
                "Human: z",
                "all `1` pairs are unusable, the first: the dialogues share no prompt",
            ),
        ],
    );
}

#[test]
fn trl() {
    variants(
        DatasetFormat::Trl,
        r#"{"prompt":[{"role":"user","content":"a"}],"chosen":[{"role":"assistant","content":"b"}],"rejected":[{"role":"assistant","content":"c"}]}"#,
        &[
            ("rejected", "x", "no field `rejected`, only `chosen`, `prompt`, `x`"),
            (r#""role":"user","#, "", "no field `role`, only `content`"),
            (r#""content":"b""#, r#""content":5"#, "field `chosen[0].content` is `5`, not a text"),
            (
                r#"[{"role":"assistant","content":"c"}]"#,
                r#""c""#,
                "field `rejected` is `text c`, not a list of messages",
            ),
            (
                r#"[{"role":"user","content":"a"}]"#,
                "true",
                "field `prompt` is `true`, not a text or a list of messages",
            ),
            (
                r#"{"role":"user","content":"a"}"#,
                r#""a""#,
                "field `prompt[0]` is `text a`, not a message with `role` and `content` (text)",
            ),
        ],
    );
}

#[test]
fn ultrafeedback() {
    let good = r#"{"instruction":"q","completions":[{"response":"a","annotations":{"honesty":{"Rating":"5"}}},{"response":"b","annotations":{"honesty":{"Rating":"1"}}}]}"#;
    variants(
        DatasetFormat::UltraFeedback,
        good,
        &[
            ("instruction", "prompt", "no field `instruction`, only `completions`, `prompt`"),
            (r#""q""#, "[]", "field `instruction` is `a list`, not a text"),
            ("completions", "answers", "no field `completions`, only `answers`, `instruction`"),
            ("response", "text", "no field `response`, only `annotations`, `text`"),
            (r#""a""#, "1", "field `response` is `1`, not a text"),
            (
                r#""Rating":"5""#,
                r#""Rating":"N/A""#,
                "all `1` pairs are unusable, the first: an answer has no rating",
            ),
        ],
    );
    let binarized = r#"{"prompt":"a","chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"rejected":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}],"score_chosen":1.0,"score_rejected":2.0}"#;
    variants(
        DatasetFormat::UltraFeedbackBinarized,
        binarized,
        &[
            (
                "chosen",
                "x",
                "no field `chosen`, only `prompt`, `rejected`, `score_chosen`, `score_rejected`, `x`",
            ),
            (r#""role":"user","#, "", "no field `role`, only `content`"),
            (
                r#""content":"b""#,
                r#""content":{}"#,
                "field `chosen[1].content` is `an object`, not a text",
            ),
            (
                r#""content":"c""#,
                r#""content":"b""#,
                "all `1` pairs are unusable, the first: `chosen` equals `rejected`",
            ),
            (
                r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#,
                r#""b""#,
                "field `rejected` is `a list`, not a text",
            ),
        ],
    );
}

#[test]
fn openai_summarize() {
    variants(
        DatasetFormat::OpenaiSummarize,
        r#"{"info":{"post":"p"},"summaries":[{"text":"a"},{"text":"b"}],"choice":1}"#,
        &[
            ("info", "x", "no field `info`, only `choice`, `summaries`, `x`"),
            ("post", "text", "no field `post`, only `text`"),
            (r#",{"text":"b"}"#, "", "field `summaries` has `1` entries, not 2"),
            (r#""text":"b""#, r#""summary":"b""#, "no field `text`, only `summary`"),
            ("1}", "2}", "field `choice` is `2`, not 0 or 1"),
            ("choice", "label", "no field `choice`, only `info`, `label`, `summaries`"),
        ],
    );
}

#[test]
fn stack_exchange() {
    variants(
        DatasetFormat::StackExchange,
        r#"{"question":"q","answers":[{"pm_score":2,"text":"a"},{"pm_score":1,"text":"b"}]}"#,
        &[
            ("question", "title", "no field `question`, only `answers`, `title`"),
            ("answers", "replies", "no field `answers`, only `question`, `replies`"),
            (r#""text":"a""#, r#""text":null"#, "field `text` is null"),
            ("pm_score", "score", "no field `pm_score`, only `score`, `text`"),
            (
                r#""pm_score":1"#,
                r#""pm_score":"high""#,
                "field `answers[1].pm_score` is `text high`, not a number",
            ),
            (r#""pm_score":1"#, r#""pm_score":2"#, "all `1` pairs are unusable, the first: a tie"),
        ],
    );
    variants(
        DatasetFormat::StackExchangePaired,
        r#"{"question":"q","response_j":"a","response_k":"b"}"#,
        &[
            ("question", "q", "no field `question`, only `q`, `response_j`, `response_k`"),
            ("response_j", "j", "no field `response_j`, only `j`, `question`, `response_k`"),
            ("response_k", "k", "no field `response_k`, only `k`, `question`, `response_j`"),
            (r#""a""#, "[]", "field `response_j` is `a list`, not a text"),
            (
                r#""b""#,
                r#""a""#,
                "all `1` pairs are unusable, the first: `chosen` equals `rejected`",
            ),
        ],
    );
}

#[test]
fn llama_factory() {
    variants(
        DatasetFormat::LlamaFactory,
        r#"{"conversations":[{"from":"human","value":"q"}],"chosen":{"from":"gpt","value":"a"},"rejected":{"from":"gpt","value":"b"}}"#,
        &[
            ("chosen", "c", "no field `chosen`, only `c`, `conversations`, `rejected`"),
            (
                r#"{"from":"gpt","value":"b"}"#,
                r#""b""#,
                "field `rejected` is `text b`, not one message with `from` and `value` (text)",
            ),
            (
                r#"[{"from":"human","value":"q"}]"#,
                r#""q""#,
                "field `conversations` is `text q`, not a list",
            ),
            (
                r#"{"from":"human","value":"q"}"#,
                r#"{"value":"q"}"#,
                "no field `role`, only `value`",
            ),
            (r#""value":"a""#, r#""value":1"#, "field `chosen.value` is `1`, not a text"),
        ],
    );
    variants(
        DatasetFormat::LlamaFactory,
        r#"{"instruction":"q","input":"x","chosen":"a","rejected":"b","history":[["c","d"]]}"#,
        &[
            (
                "instruction",
                "i",
                "no field `instruction`, only `chosen`, `history`, `i`, `input`, `rejected`",
            ),
            (r#""x""#, "1", "field `input` is `1`, not a text"),
            (r#""a""#, "[]", "field `chosen` is `a list`, not a text"),
            (
                "rejected",
                "r",
                "no field `rejected`, only `chosen`, `history`, `input`, `instruction`, `r`",
            ),
            (
                r#"["c","d"]"#,
                r#"["c"]"#,
                "field `history[0]` is `a list of 1`, not a question and an answer (text)",
            ),
        ],
    );
}

#[test]
fn axolotl() {
    variants(
        DatasetFormat::Axolotl,
        r#"{"system":"s","input":"q","chosen":"a","rejected":"b"}"#,
        &[
            ("input", "i", "no field `input`, only `chosen`, `i`, `rejected`, `system`"),
            (r#""s""#, "1", "field `system` is `1`, not a text"),
            (r#""q""#, "{}", "field `input` is `an object`, not a text"),
            ("chosen", "c", "no field `chosen`, only `c`, `input`, `rejected`, `system`"),
            (r#""b""#, "[]", "field `rejected` is `a list`, not a text"),
        ],
    );
}

#[test]
fn reward_bench() {
    variants(
        DatasetFormat::RewardBench,
        r#"{"prompt":"q","chosen":"a","rejected":"b","subset":"s"}"#,
        &[
            ("prompt", "p", "no field `prompt`, only `chosen`, `p`, `rejected`, `subset`"),
            (r#""q""#, "1", "field `prompt` is `1`, not a text or a list of messages"),
            (r#""a""#, "[]", "field `chosen` is `a list`, not a text"),
            ("rejected", "r", "no field `rejected`, only `chosen`, `prompt`, `r`, `subset`"),
            (
                r#""b""#,
                r#""a""#,
                "all `1` pairs are unusable, the first: `chosen` equals `rejected`",
            ),
        ],
    );
    variants(
        DatasetFormat::RewardBench2,
        r#"{"prompt":"q","chosen":["a"],"rejected":["b","c"]}"#,
        &[
            ("prompt", "p", "no field `prompt`, only `chosen`, `p`, `rejected`"),
            (r#"["a"]"#, r#""a""#, "field `chosen` is `text a`, not a list"),
            (r#""b""#, "1", "field `rejected[0]` is `1`, not a text"),
            (
                r#"["a"]"#,
                "[]",
                "all `1` pairs are unusable, the first: fewer than two answers to compare",
            ),
            ("rejected", "r", "no field `rejected`, only `chosen`, `prompt`, `r`"),
        ],
    );
}

#[test]
fn scored_and_ranked() {
    variants(
        DatasetFormat::Scored,
        r#"{"prompt":"q","completions":["a","b"],"scores":[1,2]}"#,
        &[
            ("prompt", "p", "no field `prompt`, only `completions`, `p`, `scores`"),
            ("completions", "c", "no field `completions`, only `c`, `prompt`, `scores`"),
            ("[1,2]", "[1]", "field `scores` has `1` entries, not 2, one for each answer"),
            ("[1,2]", "1", "field `scores` is `1`, not a list"),
            (r#""b""#, "[]", "all `1` pairs are unusable, the first: an answer is missing"),
            ("[1,2]", "[null,null]", "the answers in `completions` have no scores"),
            ("[1,2]", "[2,2]", "all `1` pairs are unusable, the first: a tie"),
        ],
    );
    variants(
        DatasetFormat::Ranked,
        r#"{"prompt":"q","responses":["a","b"]}"#,
        &[
            ("prompt", "p", "no field `prompt`, only `p`, `responses`"),
            ("responses", "r", "no field `responses`, only `prompt`, `r`"),
            (r#"["a","b"]"#, "[]", "no field `responses`, only `prompt`, `responses`"),
            (
                r#"["a","b"]"#,
                r#"["a"]"#,
                "all `1` pairs are unusable, the first: fewer than two answers to compare",
            ),
            (r#""a""#, "1", "field `responses[0]` is `1`, not a text, or an object with `text`"),
        ],
    );
}

#[test]
fn what_no_format_fits() {
    let auto = ReadSettings::default();
    for (record, expected) in [
        (r#"{"x":1,"y":2}"#, "no known layout has the fields `x`, `y`"),
        (
            r#"{"prompt":"q","completion":"a","label":true}"#,
            "one answer alone (`completion`), not a pair",
        ),
        (r#"{"messages":[],"label":true}"#, "one answer alone (`messages`), not a pair"),
        (r#"{"prompt":"q","responses":["a","b"]}"#, "the answers in `responses` have no scores"),
        (r#"{"prompt":"q"}"#, "no known layout has the fields `prompt`"),
        (r#"{"prompt":"q","chosen":"a"}"#, "no field `rejected`, only `chosen`, `prompt`"),
        ("{}", "no known layout has the fields an empty object"),
    ] {
        assert_eq!(refusal(record, &auto), expected);
    }
}
