//! Filters and tests of Jinja 3.1 that `minijinja` lacks or computes differently.

use minijinja::value::{Tuple, Value, ValueKind};
use minijinja::{Environment, Error, State};

use super::python::{Generator, Given, bind, failed, int_or, is_space, items, str_of, text};
use super::{json, methods, percent};

/// Filters that return a generator in Python, which can be read once. The originals are kept under
/// other names.
const LAZY: [&str; 8] =
    ["map", "select", "reject", "selectattr", "rejectattr", "unique", "batch", "slice"];
/// Filters that `minijinja` has and Jinja has not, or whose result in Jinja cannot be written as
/// text.
const FOREIGN_FILTERS: [&str; 7] = ["attr", "bool", "chain", "lines", "pprint", "split", "zip"];
const FOREIGN_TESTS: [&str; 4] = ["startingwith", "endingwith", "int", "safe"];

pub(super) fn install(environment: &mut Environment<'static>) {
    for name in FOREIGN_FILTERS {
        environment.remove_filter(name);
    }
    for name in FOREIGN_TESTS {
        environment.remove_test(name);
    }
    environment.remove_global("debug");
    keep_lazy(environment);
    environment.add_filter("tojson", json::tojson);
    environment.add_filter("_text", |value: &Value| text(value));
    environment.add_filter("_mod", percent::modulo);
    environment.add_filter("_slice", slice);
    environment.add_filter("_iter", |value: Value| match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number => {
            Err(failed(format!("{} has no items", value.kind())))
        }
        // `minijinja` does not know which letter of a text is the last one.
        ValueKind::String => items(&value).map(Value::from),
        _ => Ok(value),
    });
    environment.add_filter("_item", item);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("join", join);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    of_texts(environment);
    of_lists(environment);
    tests(environment);
}

fn of_texts(environment: &mut Environment<'static>) {
    environment.add_filter("string", |value: Value| {
        if value.is_safe() { Ok(value) } else { text(&value).map(Value::from) }
    });
    environment.add_filter("safe", |value: &Value| text(value).map(Value::from_safe_string));
    for name in ["e", "escape", "forceescape"] {
        environment.add_filter(name, move |value: &Value| {
            if value.is_safe() && name != "forceescape" {
                return Ok(value.clone());
            }
            text(value).map(|text| Value::from_safe_string(escaped(&text)))
        });
    }
    environment.add_filter("_plain", |value: Value| {
        if value.is_safe() { plain(&value).map(Value::from) } else { Ok(value) }
    });
    environment.add_filter("upper", |value: &Value| plain(value).map(|text| text.to_uppercase()));
    environment.add_filter("lower", |value: &Value| plain(value).map(|text| text.to_lowercase()));
    environment.add_filter("title", |value: &Value| {
        plain(value).map(|text| minijinja::filters::title(text.into()))
    });
    environment.add_filter("capitalize", |value: &Value| {
        plain(value).map(|text| methods::capitalized(&text))
    });
    environment.add_filter("trim", |_: &State, given: Given| {
        let [value, chars] = bind(&given.into_values(), 0, ["value", "chars"])?;
        let value = plain(&value)?;
        methods::trimmed(methods::trimmed(&value, &chars, true)?, &chars, false).map(str::to_owned)
    });
    environment.add_filter("replace", |_: &State, given: Given| {
        let [value, old, new, count] = bind(&given.into_values(), 3, ["s", "old", "new", "count"])?;
        let count = usize::try_from(int_or(&count, -1)?).unwrap_or(usize::MAX);
        Ok::<_, Error>(text(&value)?.replacen(&text(&old)?, &text(&new)?, count))
    });
    environment.add_filter("indent", indent);
}

fn of_lists(environment: &mut Environment<'static>) {
    environment.add_filter("items", |value: &Value| match value.kind() {
        ValueKind::Undefined => Ok(Generator::value(Vec::new(), None)),
        ValueKind::Map => pairs(value).map(|pairs| Generator::value(pairs, None)),
        other => Err(failed(format!("items of {other}"))),
    });
    for name in ["length", "count"] {
        environment.add_filter(name, |value: &Value| match value.len() {
            _ if value.is_undefined() => Ok(0),
            Some(n) if !Generator::is_lazy(value) => Ok(n),
            _ => Err(failed(format!("{} has no length", value.kind()))),
        });
    }
    environment.add_filter("reverse", |value: Value| match value.as_str() {
        Some(text) => Ok(Value::from(text.chars().rev().collect::<String>())),
        None if value.is_none() || value.kind() == ValueKind::Number => {
            Err(failed("it has no order"))
        }
        None => {
            items(&value).map(|items| Generator::value(items.into_iter().rev().collect(), None))
        }
    });
    environment.add_filter("last", |value: &Value| {
        if Generator::is_lazy(value) {
            return Err(failed("what is read once has no last item: put `| list` before it"));
        }
        Ok(items(value)?.pop().unwrap_or_default())
    });
}

fn tests(environment: &mut Environment<'static>) {
    environment.add_test("sequence", |value: &Value| match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined => true,
        kind => kind == ValueKind::Iterable && value.downcast_object_ref::<Generator>().is_none(),
    });
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    environment.add_test("callable", |value: &Value| {
        value.is_undefined()
            || value.as_object().is_some_and(|object| object.type_name().contains("unction"))
    });
}

fn keep_lazy(environment: &mut Environment<'static>) {
    use minijinja::filters;
    environment.add_filter("_map", filters::map);
    environment.add_filter("_select", filters::select);
    environment.add_filter("_reject", filters::reject);
    environment.add_filter("_selectattr", filters::selectattr);
    environment.add_filter("_rejectattr", filters::rejectattr);
    environment.add_filter("_unique", filters::unique);
    environment.add_filter("_batch", filters::batch);
    environment.add_filter("_slice_into", filters::slice);
    for name in LAZY {
        let original = if name == "slice" { "_slice_into".to_owned() } else { format!("_{name}") };
        environment.add_filter(name, move |state: &mut State, given: Given| {
            let given = given.into_values();
            if given.first().is_some_and(Value::is_none) {
                return Err(failed("none has no items"));
            }
            let result = state.apply_filter(&original, &given)?;
            items(&result).map(|items| Generator::value(items, None))
        });
    }
}

fn pairs(map: &Value) -> Result<Vec<Value>, Error> {
    let pair = |key: Value| Ok(Value::from(Tuple::from([key.clone(), map.get_item(&key)?])));
    items(map)?.into_iter().map(pair).collect()
}

/// `str(value)` of what is not marked as safe: Python keeps the mark, and escapes what is added.
fn plain(value: &Value) -> Result<String, Error> {
    if value.is_safe() {
        return Err(failed("what is computed with a text marked as safe is escaped in Python"));
    }
    text(value)
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&#39;").replace('"', "&#34;")
}

fn join(_: &State, given: Given) -> Result<String, Error> {
    let [value, between, attribute] = bind(&given.into_values(), 0, ["value", "d", "attribute"])?;
    let mut texts = Vec::new();
    for item in items(&value)? {
        let item = match attribute.as_str() {
            Some(path) => {
                path.split('.').try_fold(item, |item, name| match name.parse::<usize>() {
                    Ok(at) => item.get_item_by_index(at),
                    Err(_) => item.get_attr(name),
                })?
            }
            None => item,
        };
        texts.push(text(&item)?);
    }
    Ok(texts.join(&text(&between)?))
}

fn default(_: &State, given: Given) -> Result<Value, Error> {
    let given = given.into_values();
    let [value, default, boolean] = bind(&given, 0, ["value", "default_value", "boolean"])?;
    let is_missing = value.is_undefined() || (boolean.is_true() && !value.is_true());
    Ok(match (is_missing, given.len()) {
        (false, _) => value,
        (true, 0 | 1) => Value::from(""),
        (true, _) => default,
    })
}

/// Lines of Jinja's `indent`: `splitlines`, the first one only when asked for, empty ones only when
/// asked for.
fn indent(_: &State, given: Given) -> Result<String, Error> {
    let [value, width, first, blank] =
        bind(&given.into_values(), 1, ["s", "width", "first", "blank"])?;
    let width = match width.as_str() {
        Some(text) => text.to_owned(),
        None => " ".repeat(usize::try_from(int_or(&width, 4)?).unwrap_or(0).min(1 << 16)),
    };
    let value = [str_of(&value, "what is indented")?, "\n"].concat();
    let lines = methods::lines(&value, false);
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        let is_indented =
            if i == 0 { first.is_true() } else { blank.is_true() || !line.is_empty() };
        out += if i == 0 { "" } else { "\n" };
        out += if is_indented { &width } else { "" };
        out += line;
    }
    Ok(out)
}

/// `int(value)` of Python, `default` (0) where it is not a number.
fn int(_: &State, given: Given) -> Result<Value, Error> {
    let [value, default, base] = bind(&given.into_values(), 1, ["value", "default", "base"])?;
    let default = if default.is_undefined() { Value::from(0) } else { default };
    let base = u32::try_from(int_or(&base, 10)?).unwrap_or(0);
    let of_float = |float: f64| {
        let is_whole = float.is_finite() && float.abs() < 1e38;
        if is_whole { Some(Value::from(float.trunc() as i128)) } else { None }
    };
    let Some(text) = value.as_str() else {
        return match value.kind() {
            ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
            _ if value.is_integer() => Ok(value),
            ValueKind::Number => of_float(f64::try_from(value)?)
                .ok_or_else(|| failed("too large for a whole number")),
            _ => Ok(default),
        };
    };
    let text = text.trim_matches(is_space).replace('_', "").to_lowercase();
    let digits = match base {
        2 => text.trim_start_matches("0b"),
        8 => text.trim_start_matches("0o"),
        16 => text.trim_start_matches("0x"),
        10 => &text,
        _ => return Err(failed("`int` to this base")),
    };
    if let Ok(number) = i128::from_str_radix(digits, base) {
        return Ok(Value::from(number));
    }
    Ok(of_text(&text).and_then(of_float).unwrap_or(default))
}

/// A text that Python's `float()` refuses is refused here too.
fn of_text(text: &str) -> Option<f64> {
    text.trim_matches(is_space).replace('_', "").parse().ok()
}

fn float(_: &State, given: Given) -> Result<Value, Error> {
    let [value, default] = bind(&given.into_values(), 1, ["value", "default"])?;
    let default = if default.is_undefined() { Value::from(0.0) } else { default };
    Ok(match value.as_str() {
        Some(text) => of_text(text).map_or(default, Value::from),
        None if value.kind() == ValueKind::Bool => {
            Value::from(f64::from(u8::from(value.is_true())))
        }
        None => f64::try_from(value).map_or(default, Value::from),
    })
}

/// `value[start:stop:step]` of Python.
fn slice(value: &Value, start: &Value, stop: &Value, step: &Value) -> Result<Value, Error> {
    let items = match value.kind() {
        ValueKind::String | ValueKind::Seq if !value.is_safe() => items(value)?,
        ValueKind::Iterable if value.downcast_object_ref::<Generator>().is_none() => items(value)?,
        ValueKind::Iterable => {
            return Err(failed("what is read once has no part: put `| list` before it"));
        }
        other => return Err(failed(format!("{other} has no part"))),
    };
    let n = items.len() as i64;
    let step = int_or(step, 1)?;
    if step == 0 {
        return Err(failed("a step of 0"));
    }
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let place = |value: &Value, default: i64| {
        let at = int_or(value, i64::MIN)?;
        let at = if at == i64::MIN {
            return Ok(default);
        } else if at < 0 {
            at + n
        } else {
            at
        };
        Ok::<_, Error>(at.clamp(low, high))
    };
    let (mut at, end) = if step > 0 {
        (place(start, 0)?, place(stop, n)?)
    } else {
        (place(start, n - 1)?, place(stop, -1)?)
    };
    let mut part = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        part.push(items[at as usize].clone());
        at += step;
    }
    Ok(match value.kind() {
        ValueKind::String => Value::from(part.iter().map(ToString::to_string).collect::<String>()),
        _ if value.is_tuple() => Value::from(Tuple::from(part)),
        _ => Value::from(part),
    })
}

/// `value['items']`: where there is no such key, Jinja finds the method of Python's dictionary.
fn item(value: &Value, key: &str) -> Result<Value, Error> {
    let item = value.get_item(&Value::from(key))?;
    if item.is_undefined() && value.kind() == ValueKind::Map {
        return Err(failed(format!(
            "`['{key}']` is a method of Python where there is no such key"
        )));
    }
    Ok(item)
}
