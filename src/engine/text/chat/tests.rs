//! Templates on conversations: what they write, and what they refuse.

use super::*;
use crate::domain::spec::CHAT_TEMPLATES;
use crate::domain::text::dialogue::messages;
use crate::engine::fixture::llama_dir;

const DIALOGUE: &str = "Be brief.\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:";

fn tokens() -> BTreeMap<String, String> {
    [("bos_token", "<s>"), ("eos_token", "</s>")]
        .map(|(key, token)| (key.to_owned(), token.to_owned()))
        .into()
}

fn resolve(choice: &str, own: Option<&str>) -> Result<Option<ChatTemplate>, EngineError> {
    let dir = llama_dir();
    let own = own.map(|text| [(DEFAULT.to_owned(), text.to_owned())].into());
    ChatTemplate::resolve(choice, &Source::Directory(dir.path()), own.as_ref(), &tokens())
}

fn render(choice: &str, own: Option<&str>) -> String {
    resolve(choice, own).unwrap().unwrap().render(&messages(DIALOGUE, " d"), "").unwrap()
}

fn refused(own: &str) -> String {
    resolve("auto", Some(own)).unwrap_err().to_string()
}

#[test]
fn every_name_of_the_spec_is_there() {
    for name in CHAT_TEMPLATES {
        assert!(resolve(name, None).is_ok(), "{name}");
    }
    assert_eq!(NAMED.len() + 2, CHAT_TEMPLATES.len());
}

#[test]
fn named_templates_write_what_their_projects_write() {
    assert_eq!(render("hh", None), format!("{DIALOGUE} d"));
    assert_eq!(
        render("question-answer", None),
        "Be brief.\n\nQuestion: a\n\nAnswer: b\n\nQuestion: c\n\nAnswer: d"
    );
    assert_eq!(
        render("chatml", None),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\na<|im_end|>\n\
         <|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n\
         <|im_start|>assistant\nd<|im_end|>\n"
    );
    assert_eq!(
        render("llama-2", None),
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\na [/INST] b </s><s>[INST] c [/INST] d </s>"
    );
    assert_eq!(
        render("zephyr", None),
        "<|system|>\nBe brief.</s>\n<|user|>\na</s>\n<|assistant|>\nb</s>\n<|user|>\nc</s>\n\
         <|assistant|>\nd</s>\n"
    );
    assert!(
        render("llama-3", None).starts_with("<s><|start_header_id|>system<|end_header_id|>\n\n")
    );
    assert!(render("alpaca", None).ends_with("### Instruction:\nc\n\n### Response:\nd"));
}

#[test]
fn an_answer_begins_where_the_prompt_ends() {
    let conversation = messages(DIALOGUE, " d");
    for (name, ..) in NAMED {
        let template = resolve(name, None).unwrap().unwrap();
        let prompt = template.render_prompt(&conversation[..conversation.len() - 1], "").unwrap();
        let whole = template.render(&conversation, "").unwrap();
        assert!(whole.starts_with(&prompt), "{name}: {whole:?} after {prompt:?}");
        assert!(whole[prompt.len()..].contains('d'), "{name}");
    }
}

#[test]
fn the_models_own_template_is_taken_first() {
    let own = "{% for m in messages %}{{ m['content'] }};{% endfor %}";
    assert_eq!(render("auto", Some(own)), "Be brief.;a;b;c;d;");
    assert!(resolve("auto", None).unwrap().is_none());
    assert!(resolve("plain", Some(own)).unwrap().is_none());
    let dir = llama_dir();
    std::fs::write(dir.path().join(OWN_FILE), "{{ messages | map(attribute='role') | join(' ') }}{{ messages | map(attribute='content') | join }}").unwrap();
    let source = Source::Directory(dir.path());
    let in_config = [(DEFAULT.to_owned(), own.to_owned())].into();
    let template = ChatTemplate::resolve("auto", &source, Some(&in_config), &tokens());
    let template = template.unwrap().unwrap();
    let record = template.record();
    assert_eq!(record.name, "own");
    assert!(record.text.contains("join(' ')"));
    // SHA-256 of the empty text is known; this one is of another length and differs from `own`'s.
    let other = resolve("auto", Some(own)).unwrap().unwrap().record();
    assert_eq!((record.digest.len(), record.digest == other.digest), (64, false));
}

#[test]
fn messages_are_written_as_the_template_writes_them() {
    let strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}\
                  {% for m in messages %}[{{ m['content'] }}]{% endfor %}";
    let template = resolve("auto", Some(strict)).unwrap().unwrap();
    let refused = template.render(&messages(DIALOGUE, " d"), "").unwrap_err();
    assert!(refused.contains("no system"), "{refused}");
    let silent = "{% for m in messages if m.role != 'system' %}[{{ m.content }}]{% endfor %}";
    assert_eq!(render("auto", Some(silent)), "[a][b][c][d]");
    // Nothing is joined, cut or trimmed, and every field is there.
    let fields = "{% for m in messages %}<{{ m.role }}{{ m.name }}:{{ m.content }}>{% endfor %}\
                  {% if tools is not none %}{{ tools[0].name }}{% endif %}{{ style }}";
    let template = resolve("auto", Some(fields)).unwrap().unwrap();
    let conversation = [
        Message::new("system", ""),
        Message::new(USER_ROLE, " a\n"),
        Message { fields: r#"{"name":"!"}"#.into(), ..Message::new(USER_ROLE, "b") },
        Message::new("tool", "c"),
    ];
    let expected = "<system:><user: a\n><user!:b><tool:c>";
    assert_eq!(template.render(&conversation, "").unwrap(), expected);
    let globals = r#"{"tools":[{"name":"t"}],"style":"short"}"#;
    assert_eq!(template.render(&conversation, globals).unwrap(), format!("{expected}tshort"));
}

#[test]
fn a_call_of_a_tool_is_never_an_empty_answer() {
    let call = Message {
        content: Content::Json("null".into()),
        fields: r#"{"tool_calls":[{"function":{"name":"clock","arguments":"{\"a\": 1}"}}]}"#.into(),
        ..Message::new(ASSISTANT_ROLE, "")
    };
    let conversation = [Message::new(USER_ROLE, "q"), call];
    let knows = "{% for m in messages %}{{ m.content or '' }}{% for c in m.tool_calls %}\
                 {{ c.function.name }}!{% endfor %};{% endfor %}";
    let template = resolve("auto", Some(knows)).unwrap().unwrap();
    assert_eq!(template.render(&conversation, "").unwrap(), "q;clock!;");
    let other = "{% for m in messages %}{{ m.content }};{% endfor %}";
    let template = resolve("auto", Some(other)).unwrap().unwrap();
    assert_eq!(
        template.render(&conversation, "").unwrap(),
        "q;{\"name\": \"clock\", \"arguments\": {\"a\": 1}};"
    );
}

#[test]
fn extras_are_those_of_transformers() {
    let own = "{%- generation -%}{% set x = 1 %}{{ strftime_now('%d %b %Y') }}{%- endgeneration %}{{ x }}\n\
               {% for m in messages %}{% if loop.index0 > 3 %}{% break %}{% endif %}\
               {{ {'c': m.content, 'l': ['<', 1]} | tojson }}{% endfor %}{{ messages[-1].content }}";
    assert_eq!(
        render("auto", Some(own)),
        "26 Jul 2024\n{\"c\": \"Be brief.\", \"l\": [\"<\", 1]}{\"c\": \"a\", \"l\": [\"<\", 1]}\
         {\"c\": \"b\", \"l\": [\"<\", 1]}{\"c\": \"c\", \"l\": [\"<\", 1]}d"
    );
}

#[test]
fn a_template_that_does_not_work_says_why() {
    assert!(refused("{% for m in messages %}\n{{ m.content }").contains("line 2"));
    let raised = refused("{{ raise_exception('only for tools') }}");
    assert!(raised.contains("only for tools"), "{raised}");
    assert!(refused("hello").contains("leaves out what is said"));
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x\
                   {% endfor %}{% endfor %}{% endfor %}";
    assert!(refused(endless).contains("fuel"), "{}", refused(endless));
    let error = resolve("chatlm", None).unwrap_err();
    assert!(error.to_string().contains("`chatlm`") && error.hint().unwrap().contains("`chatml`"));
    assert!(resolve("no/such.jinja", None).unwrap_err().to_string().contains("no/such.jinja"));
    let alternating = "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}\
                       {{ raise_exception('roles must alternate') }}{% endif %}{{ m.content }}{% endfor %}";
    let template = resolve("auto", Some(alternating)).unwrap().unwrap();
    let refused = template.render(&messages("\n\nAssistant: x\n\nHuman: y\n\nAssistant:", "z"), "");
    assert!(refused.unwrap_err().contains("roles must alternate"));
}

/// A model with these files (`chat_template` of the configuration apart).
fn of_files(
    files: &[(&str, &str)],
    own: Option<&[(&str, &str)]>,
) -> Result<Option<ChatTemplate>, EngineError> {
    let dir = llama_dir();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(
            path,
            [text, "{{ messages[0].content }}{{ messages[-1].content }}"].concat(),
        )
        .unwrap();
    }
    let text = |text: &str| [text, ":{{ messages[0].content }}{{ messages[-1].content }}"].concat();
    let own =
        own.map(|own| own.iter().map(|(name, own)| ((*name).to_owned(), text(own))).collect());
    ChatTemplate::resolve("auto", &Source::Directory(dir.path()), own.as_ref(), &tokens())
}

/// What transformers 5.24 takes without tools, with an empty list of them, and with one.
#[test]
fn of_several_templates_that_of_transformers_is_taken() {
    let (file, tool_use) = ("chat_template.jinja", "additional_chat_templates/tool_use.jinja");
    let of_default = "additional_chat_templates/default.jinja";
    let two = Some(&[("default", "d"), ("tool_use", "t")][..]);
    for (files, own, expected) in [
        (&[(file, "f")][..], Some(&[("default", "d")][..]), ["f", "f", "f"]),
        (&[], two, ["d:", "t:", "t:"]),
        (&[(file, "f")], two, ["f", "f", "f"]),
        (&[(file, "f"), (tool_use, "t")], None, ["f", "t", "t"]),
        (&[(file, "f"), (of_default, "a")], None, ["a", "a", "a"]),
    ] {
        let template = of_files(files, own).unwrap().unwrap();
        let rendered = ["", r#"{"tools":[]}"#, r#"{"tools":[{"name":"n"}]}"#]
            .map(|globals| template.render(&messages("", "x"), globals).unwrap());
        assert_eq!(rendered, expected.map(|text| format!("{text}x")), "{files:?} {own:?}");
    }
}

#[test]
fn several_templates_without_a_default_are_refused_with_their_names() {
    let tool_use = ("additional_chat_templates/tool_use.jinja", "t");
    for (files, own, found) in [
        (&[][..], Some(&[("rag", "r"), ("tool_use", "t")][..]), "`rag`, `tool_use`"),
        (&[tool_use], Some(&[("default", "d")]), "`tool_use`"),
        (&[], Some(&[]), "no template"),
        (&[("chat_template.json", "")], None, "the model's tokenizer does not read this file"),
    ] {
        let error = of_files(files, own).unwrap_err();
        assert!(error.to_string().ends_with(found), "{error}");
        assert!(error.hint().unwrap().contains("--set model.chat_template=FILE"));
    }
}

#[test]
fn a_template_that_prints_the_day_says_so() {
    let said = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let of_system = "{% if messages[0].role == 'system' %}{{ strftime_now('%d') }}{% endif %}";
    let prints = |own: String| resolve("auto", Some(&own)).unwrap().unwrap().prints_the_day();
    assert!(prints(["{{ strftime_now('%d %b %Y') }}", said].concat()));
    assert!(prints([of_system, said].concat()));
    assert!(!prints(said.to_owned()));
}
