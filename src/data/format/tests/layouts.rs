//! One record of each layout, as its publisher writes it.

use super::*;

#[test]
fn names_are_read_back() {
    for (name, format, what) in FORMATS {
        assert_eq!(name.parse::<DatasetFormat>().unwrap(), format);
        assert_eq!(format.to_string(), name);
        assert!(!what.is_empty());
    }
    assert_eq!("jsonl".parse::<DatasetFormat>().unwrap(), DatasetFormat::Trl);
    assert_eq!(DatasetFormat::parse("auto").unwrap(), None);
}

const ULTRAFEEDBACK: &str = r#"{"source":"evol_instruct","instruction":"Name a fruit.",
"models":["m1","m2","m3","m4"],"correct_answers":["None"],"incorrect_answers":["None"],
"completions":[
{"model":"m1","principle":"helpfulness","custom_system_prompt":"x","response":"A fig.",
 "annotations":{"instruction_following":{"Rating":"5","Rationale":"r"},
 "honesty":{"Rating":"N/A","Rationale":"r"},"truthfulness":{"Type":["None"],"Rating":"5",
 "Rationale":"r","Rationale For Rating":"r"},"helpfulness":{"Type":["1"],"Rating":"4"}},
 "critique":"c","overall_score":8.0,"fine-grained_score":4.666},
{"model":"m2","response":"A stone.","annotations":{"instruction_following":{"Rating":"1"},
 "honesty":{"Rating":"1"},"truthfulness":{"Rating":"1"},"helpfulness":{"Rating":"1"}},
 "overall_score":10.0,"fine-grained_score":1.0},
{"model":"m3","response":"Fig","annotations":{"instruction_following":{"Rating":"1"},
 "honesty":{"Rating":"1"},"truthfulness":{"Rating":"1"},"helpfulness":{"Rating":"1"}},
 "overall_score":7.0,"fine-grained_score":1.0},
{"model":"m4","response":"?","annotations":{"instruction_following":{"Rating":"N/A"}},
 "overall_score":8.0}]}"#;

#[test]
fn ultrafeedback_is_paired_by_mean_rating_or_overall_score() {
    assert_eq!(format_of(ULTRAFEEDBACK), DatasetFormat::UltraFeedback);
    let unrated = "an answer has no rating";
    let prompt = "Name a fruit.";
    // Completion 1 beats 2 and 3, those two tie, 4 has no rating that is a number.
    assert_eq!(
        pairs(ULTRAFEEDBACK),
        [
            unrated,
            "a tie",
            unrated,
            unrated,
            &format!("{prompt}|A fig.|A stone."),
            &format!("{prompt}|A fig.|Fig"),
        ]
    );
    let suspect = "an overall score of 10 beside ratings of 2 or less";
    assert_eq!(
        pairs_as(ULTRAFEEDBACK, &forced(DatasetFormat::UltraFeedbackOverall)),
        [
            suspect,
            "a tie",
            suspect,
            suspect,
            &format!("{prompt}|A fig.|Fig"),
            &format!("{prompt}|?|Fig"),
        ]
    );
    let capped = ReadSettings { pairs_per_record: 1, ..ReadSettings::default() };
    let found = pairs_as(ULTRAFEEDBACK, &capped);
    assert_eq!(found.iter().filter(|item| item.contains('|')).count(), 1);
    assert_eq!(found.iter().filter(|item| item.contains("pairs_per_record")).count(), 1);
    assert_eq!(found, pairs_as(ULTRAFEEDBACK, &capped));
}

#[test]
fn binarized_ultrafeedback_repeats_its_prompt() {
    let record = r#"{"prompt":"Hi?","prompt_id":"a1","chosen":[{"content":"Hi?","role":"user"},
{"content":"Hello.","role":"assistant"}],"rejected":[{"content":"Hi?","role":"user"},
{"content":"No.","role":"assistant"}],"messages":[],"score_chosen":8.5,"score_rejected":3.0}"#;
    assert_eq!(format_of(record), DatasetFormat::UltraFeedbackBinarized);
    assert_eq!(pairs(record), ["Hi?|Hello.|No."]);
    let margin = crate::data::testing::only_pair(&record.replace('\n', " "));
    assert!(margin.has_margin);
}

#[test]
fn summaries_are_ordered_by_their_choice() {
    let record = |info: &str, choice: u32| {
        format!(
            r#"{{"info":{info},"summaries":[{{"text":" One.","policy":"sup","note":""}},
{{"text":" Two.","policy":"ref","note":""}}],"choice":{choice},"worker":"w","batch":"b",
"split":"train","extra":{{"confidence":7}}}}"#
        )
    };
    let post = r#"{"id":"t3","post":"I lost it. ","title":"Lost","subreddit":"advice"}"#;
    let prompt = "SUBREDDIT: r/advice\nTITLE: Lost\nPOST: I lost it.¶TL;DR:";
    assert_eq!(format_of(&record(post, 0).replace('\n', " ")), DatasetFormat::OpenaiSummarize);
    assert_eq!(pairs(&record(post, 0)), [format!("{prompt}| One.| Two.")]);
    assert_eq!(pairs(&record(post, 1)), [format!("{prompt}| Two.| One.")]);
    let article = r#"{"id":"c","site":"cnn","title":"t","article":"It rained."}"#;
    assert_eq!(pairs(&record(article, 1)), ["It rained.¶TL;DR:| Two.| One."]);
    let pair = crate::data::testing::only_pair(&record(post, 0).replace('\n', " "));
    assert_eq!(pair.pair.slice, "advice");
}

#[test]
fn stack_exchange_answers_are_paired_by_score_as_text() {
    let record = r#"{"qid":1,"question":"<p>How &amp; why?</p>","answers":[
{"answer_id":2,"pm_score":4,"selected":true,"text":"<p>So.</p><pre><code>a &lt; b</code></pre>",
"author":"x","author_id":1,"author_profile":"p"},{"answer_id":3,"pm_score":1,"text":"<p>No</p>"},
{"answer_id":4,"pm_score":1,"text":"Never"}],"date":"2016/01/01",
"metadata":["https://stackoverflow.com/questions/1","https://stackoverflow.com"]}"#;
    assert_eq!(format_of(record), DatasetFormat::StackExchange);
    let prompt = "How & why?";
    assert_eq!(
        pairs(record),
        ["a tie".to_owned(), format!("{prompt}|So.¶a < b|No"), format!("{prompt}|So.¶a < b|Never")]
    );
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "x.jsonl", record.replace('\n', " ").as_bytes());
    let last = open(&file, &ReadSettings::default()).unwrap().last().unwrap().unwrap();
    assert!(matches!(last, SourceItem::Pair(found) if found.pair.slice == "stackoverflow.com"));
    let paired = r#"{"qid":1,"question":"Q","response_j":"better","response_k":"worse"}"#;
    assert_eq!(format_of(paired), DatasetFormat::StackExchangePaired);
    assert_eq!(pairs(paired), ["Q|better|worse"]);
}

#[test]
fn llama_factory_in_both_styles() {
    for (record, expected) in [
        (r#"{"instruction":"Add.","input":"1 2","chosen":"3","rejected":"4"}"#, "Add.\n1 2|3|4"),
        (
            r#"{"instruction":"Add.","input":"","system":"Be brief.","history":[["a","b"]],
            "chosen":"3","rejected":"4"}"#,
            "Be brief.¶Human: a¶Assistant: b¶Human: Add.¶Assistant:| 3| 4",
        ),
        (r#"{"instruction":"Add.","input":"","output":["3","4"]}"#, "Add.|3|4"),
        (
            r#"{"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Yes?"},
            {"from":"human","value":"Bye"}],"chosen":{"from":"gpt","value":"Bye!"},
            "rejected":{"from":"gpt","value":"No"}}"#,
            "¶Human: Hi¶Assistant: Yes?¶Human: Bye¶Assistant:| Bye!| No",
        ),
    ] {
        assert_eq!(format_of(&record.replace('\n', " ")), DatasetFormat::LlamaFactory, "{record}");
        assert_eq!(pairs(record), [expected]);
    }
    let ranked = r#"{"instruction":"Add.","output":["3","4","5"]}"#;
    assert_eq!(pairs(ranked).len(), 3);
}

#[test]
fn axolotl_and_openrlhf() {
    let record = r#"{"system":"Be kind.","input":"Hi","chosen":"Hello","rejected":"Go"}"#;
    assert_eq!(format_of(record), DatasetFormat::Axolotl);
    assert_eq!(pairs(record), ["Be kind.¶Human: Hi¶Assistant:| Hello| Go"]);
    let record = r#"{"prompt":"Hi","chosen":"Hello","rejected":"Go","margin":1.5}"#;
    assert_eq!(format_of(record), DatasetFormat::Trl);
    assert!(crate::data::testing::only_pair(record).has_margin);
}

#[test]
fn reward_bench_one_and_two() {
    let first = r#"{"prompt":"Q?","chosen":"yes","chosen_model":"a","rejected":"no",
"rejected_model":"b","subset":"alpacaeval-easy","id":3}"#;
    assert_eq!(format_of(first), DatasetFormat::RewardBench);
    assert_eq!(pairs(first), ["Q?|yes|no"]);
    let prior = r#"{"prompt":[{"role":"user","content":"Q?"}],"chosen":"yes","rejected":"no",
"chosen_model":"a","subset":"mtbench_human"}"#;
    assert_eq!(pairs(prior), ["Q?|yes|no"]);
    let second = r#"{"id":"1","prompt":"Q?","chosen":["yes","aye"],"rejected":["no","nay"],
"num_correct":2,"num_incorrect":2,"total_completions":4,"models":["a"],"subset":"Ties",
"additional_metadata":null}"#;
    assert_eq!(format_of(second), DatasetFormat::RewardBench2);
    assert_eq!(pairs(second), ["Q?|yes|no", "Q?|yes|nay", "Q?|aye|no", "Q?|aye|nay",]);
}

#[test]
fn scored_and_ranked_answers() {
    let expected = ["Q|best|worst"];
    for record in [
        r#"{"prompt":"Q","completions":["worst","best"],"scores":[1,2]}"#,
        r#"{"question":"Q","responses":["worst","best"],"ranks":[2,1]}"#,
        r#"{"prompt":"Q","answers":[{"answer":"best","rank":1.0},{"answer":"worst","rank":2.0}]}"#,
        r#"{"instruction":"Q","outputs":[{"text":"worst","score":"0.1"},{"text":"best","score":"0.2"}]}"#,
    ] {
        assert_eq!(format_of(record), DatasetFormat::Scored, "{record}");
        assert_eq!(pairs(record), expected, "{record}");
    }
    let ranked = r#"{"prompt":"Q","responses":["best","worst"]}"#;
    assert_eq!(pairs_as(ranked, &forced(DatasetFormat::Ranked)), expected);
}

#[test]
fn every_layout_is_told_about_beside_the_data() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/data/README.md"));
    let text = text.unwrap();
    for (name, ..) in crate::data::FORMATS {
        assert!(text.contains(&format!("`{name}`")), "{name} is not in data/README.md");
    }
}
