//! Messages into flat texts and back.

use super::*;

fn conversation() -> (Vec<Message>, [Vec<Message>; 2]) {
    let prompt = vec![
        Message::new(SYSTEM_ROLE, " Be brief.\n"),
        Message::new(USER_ROLE, "Quote:\n\nAssistant: no"),
    ];
    let call = Message {
        content: Content::Json("null".into()),
        fields: r#"{"tool_calls":[{"name":"clock"}]}"#.into(),
        ..Message::new(ASSISTANT_ROLE, "")
    };
    let answers = [
        vec![call, Message::new("tool", "12:30"), Message::new(ASSISTANT_ROLE, "  Noon é")],
        vec![Message::new(ASSISTANT_ROLE, "")],
    ];
    (prompt, answers)
}

#[test]
fn messages_come_back_as_they_went_in_whatever_they_hold() {
    let (prompt, [a, b]) = conversation();
    let flat = FlatPair::of(&prompt, [&a, &b], "{\"tools\":[]}".into());
    assert_eq!(flat.prompt, " Be brief.\n\n\nHuman: Quote:\n\nAssistant: no\n\nAssistant:");
    let [first, second] = &flat.answers;
    assert_eq!(
        first,
        " {\"name\": \"clock\", \"arguments\": {}}\n\nTool: 12:30\n\nAssistant:   Noon é"
    );
    assert_eq!(second, " ");
    for form in [
        flat.form.clone(),
        TextForm::from_stored(flat.form.to_stored().as_deref(), &flat.prompt, [first, second])
            .unwrap(),
    ] {
        let found = [0, 1].map(|i| form.messages(&flat.prompt, &flat.answers[i], i).unwrap());
        for (found, answer) in found.iter().zip([&a, &b]) {
            assert_eq!(*found, [&prompt[..], answer].concat());
        }
        assert_eq!(form.globals(), "{\"tools\":[]}");
        let parts = form.parts(&flat.prompt, first, 0).unwrap();
        assert_eq!(parts, [prompt.clone(), a.clone()]);
        let swapped = form.swapped();
        assert_eq!(swapped.messages(&flat.prompt, second, 0).unwrap(), found[1]);
        let doubled = form.doubled(1);
        assert_eq!(doubled.messages(&flat.prompt, second, 0).unwrap(), found[1]);
    }
}

#[test]
fn the_mark_of_an_answer_ends_the_prompt_only_where_both_answers_are_the_models() {
    let prompt = [Message::new(USER_ROLE, "q")];
    let (bye, answer) = (Message::new(USER_ROLE, "Bye"), Message::new(ASSISTANT_ROLE, "a"));
    let flat = FlatPair::of(&prompt, [&[bye], &[answer]], String::new());
    assert_eq!(flat.prompt, "\n\nHuman: q");
    assert_eq!(flat.answers, ["\n\nHuman: Bye", "\n\nAssistant: a"]);
    // Instructions in the middle have a mark, at the start none.
    let late = [Message::new(SYSTEM_ROLE, "s"), Message::new(ASSISTANT_ROLE, "a")];
    let flat = FlatPair::of(&prompt, [&late, &late], String::new());
    assert_eq!(flat.answers[0], "\n\nSystem: s\n\nAssistant: a");
}

#[test]
fn one_question_and_its_answers_stand_as_they_are() {
    let prompt = [Message::new(USER_ROLE, "Human: q\n")];
    let answers = [" a", ""].map(|text| [Message::new(ASSISTANT_ROLE, text)]);
    let flat = FlatPair::of(&prompt, [&answers[0], &answers[1]], "{\"tools\":[]}".into());
    assert_eq!(
        (flat.prompt.as_str(), flat.answers.each_ref().map(String::as_str)),
        ("Human: q\n", [" a", ""])
    );
    let stored = flat.form.to_stored();
    let texts = [flat.answers[0].as_str(), &flat.answers[1]];
    let form = TextForm::from_stored(stored.as_deref(), &flat.prompt, texts).unwrap();
    for (i, answer) in answers.iter().enumerate() {
        let found = form.messages(&flat.prompt, texts[i], i).unwrap();
        assert_eq!(found, [&prompt[..], answer].concat());
    }
    assert_eq!(form.globals(), "{\"tools\":[]}");
    // Fields that a template may write need their place.
    let named = Message { fields: r#"{"name":"Ada"}"#.into(), ..Message::new(USER_ROLE, "q") };
    let flat = FlatPair::of(&[named], [&answers[0], &answers[1]], String::new());
    assert_eq!(flat.prompt, "\n\nHuman: q\n\nAssistant:");
}

#[test]
fn a_message_is_one_json_object_again() {
    let (prompt, [a, _]) = conversation();
    assert_eq!(prompt[1].to_json(), r#"{"role":"user","content":"Quote:\n\nAssistant: no"}"#);
    let call = r#"{"role":"assistant","content":null,"tool_calls":[{"name":"clock"}]}"#;
    assert_eq!(a[0].to_json(), call);
    let absent = Message { content: Content::Absent, ..Message::new(USER_ROLE, "") };
    assert_eq!(absent.to_json(), r#"{"role":"user"}"#);
}

#[test]
fn forms_without_places_are_words_and_damage_is_noticed() {
    for form in [TextForm::Dialogue, TextForm::Plain, TextForm::Whole] {
        let stored = form.to_stored();
        assert_eq!(TextForm::from_stored(stored.as_deref(), "", ["", ""]), Ok(form.clone()));
        assert_eq!(form.swapped(), form);
    }
    let plain = TextForm::Plain.messages(" p\n", " a", 0).unwrap();
    assert_eq!((plain[0].text(), plain[1].text()), (" p\n", " a"));
    assert_eq!(TextForm::Whole.messages("p", "a", 0), None);
    let spans = r#"{"p":[{"r":"user","s":1,"n":2}],"a":[[],[]]}"#;
    assert!(TextForm::from_stored(Some(spans), "abc", ["", ""]).is_ok());
    for (stored, prompt) in [(spans, "ab"), (spans, "éé"), ("{", "abc"), ("other", "abc")] {
        assert!(TextForm::from_stored(Some(stored), prompt, ["", ""]).is_err(), "{stored}");
    }
}
