//! `text % values` of Python.

use minijinja::Error;
use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Value, ValueKind};

use super::python::{failed, int_or, items, repr, str_of, text, write_quoted};

/// `left % right` where the left side is a text in the template.
pub(super) fn modulo(left: &Value, right: &Value) -> Result<Value, Error> {
    let pattern = str_of(left, "the left side of `%`")?;
    let is_tuple = right.is_tuple();
    let mut given = if is_tuple { items(right)? } else { vec![right.clone()] }.into_iter();
    let mut next = || given.next().ok_or_else(|| failed("not enough arguments for the format"));
    let mut out = String::new();
    let mut rest = pattern;
    let mut is_named = false;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let key = match rest.strip_prefix('(').and_then(|named| named.split_once(')')) {
            Some((key, after)) => {
                rest = after;
                is_named = true;
                Some(Value::from(key))
            }
            None => None,
        };
        let mut spec = String::new();
        while let Some(letter) =
            rest.chars().next().filter(|letter| "#0- +.*123456789hlL".contains(*letter))
        {
            rest = &rest[1..];
            match letter {
                '*' => spec += &int_or(&next()?, 0)?.to_string(),
                'h' | 'l' | 'L' => {}
                _ => spec.push(letter),
            }
        }
        let Some(kind) = rest.chars().next() else { return Err(failed("incomplete format")) };
        rest = &rest[kind.len_utf8()..];
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match &key {
            Some(key) if right.kind() == ValueKind::Map => match right.get_item(key)? {
                value if value.is_undefined() => {
                    return Err(failed(format!("no `{key}` to format")));
                }
                value => value,
            },
            Some(_) => return Err(failed("format requires a mapping")),
            None => next()?,
        };
        out += &converted(kind, &spec, value)?;
    }
    out.push_str(rest);
    let may_stay =
        is_named || (!is_tuple && matches!(right.kind(), ValueKind::Map | ValueKind::Seq));
    match given.next() {
        Some(_) if !may_stay => Err(failed("not all arguments converted during string formatting")),
        _ => Ok(Value::from(out)),
    }
}

fn converted(kind: char, spec: &str, value: Value) -> Result<String, Error> {
    let value = match kind {
        's' | 'r' | 'a' => {
            let text = match (kind, value.as_str()) {
                ('a', Some(text)) => {
                    let mut out = String::new();
                    write_quoted(text, &mut out, true);
                    out
                }
                ('s', _) => text(&value)?,
                _ => repr(&value)?,
            };
            return padded(&text, spec);
        }
        'd' | 'i' | 'u' if value.kind() == ValueKind::Number && !value.is_integer() => {
            Value::from(f64::try_from(value)?.trunc() as i128)
        }
        'c' => value,
        'x' | 'X' | 'o' if !(value.is_integer() || value.kind() == ValueKind::Bool) => {
            return Err(failed(format!("%{kind} of what is no whole number")));
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G'
            if matches!(value.kind(), ValueKind::Number | ValueKind::Bool) =>
        {
            value
        }
        _ => return Err(failed(format!("%{kind} of {}", value.kind()))),
    };
    let kind = if kind == 'u' { 'd' } else { kind };
    format(FormatStyle::Printf, &format!("%{spec}{kind}"), &[value])
}

/// Width and precision of a text, in letters.
fn padded(text: &str, spec: &str) -> Result<String, Error> {
    let (width, precision) =
        spec.split_once('.').map_or((spec, None), |(width, n)| (width, Some(n)));
    let number = |digits: &str| match digits {
        "" => Ok(0),
        digits => digits
            .parse::<usize>()
            .ok()
            .filter(|n| *n <= 1 << 16)
            .ok_or_else(|| failed("a width of more than 65,536")),
    };
    let n_max = precision.map(number).transpose()?.unwrap_or(usize::MAX);
    let text: String = text.chars().take(n_max).collect();
    let n = number(width.trim_start_matches(['#', '0', '-', ' ', '+']))?
        .saturating_sub(text.chars().count());
    let fill = " ".repeat(n);
    Ok(if width.contains('-') { text + &fill } else { fill + &text })
}
