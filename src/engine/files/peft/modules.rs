//! Which modules an adapter's settings mean, by the rules of PEFT 0.21.
//!
//! A module's name is that of its layer in the model that was trained
//! (`model.layers.0.self_attn.q_proj`). Lists name modules or their last parts, one text is a regular
//! expression for whole names, and the keys of `rank_pattern` and `alpha_pattern` are regular expressions
//! for names or their last parts. Expressions are those of the tokenizers library, close to Python's: what
//! it cannot read is refused.

use tokenizers::utils::SysRegex;

/// A value that can differ by module: the first key of the file that matches the module counts.
#[derive(Debug)]
pub(super) struct ByModule {
    default: f64,
    patterns: Vec<(SysRegex, f64)>,
}

impl ByModule {
    /// A default, and keys with values in the order of the file; fails with the key that is no regular
    /// expression.
    pub fn new(default: f64, patterns: Vec<(String, f64)>) -> Result<Self, String> {
        let patterns = patterns.into_iter().map(|(key, value)| Ok((end_of(&key)?, value)));
        Ok(Self { default, patterns: patterns.collect::<Result<_, String>>()? })
    }

    /// The value for a module.
    pub fn of(&self, module: &str) -> f64 {
        let found = self.patterns.iter().find(|(pattern, _)| is_match(pattern, module));
        found.map_or(self.default, |(_, value)| *value)
    }
}

/// Which modules a key of PEFT names.
#[derive(Debug)]
pub(super) enum Names {
    /// Every one that PEFT can adapt.
    All,
    /// Those whose whole name matches.
    Matching(SysRegex),
    /// Those that have one of these names, or end in one.
    EndingIn(Vec<String>),
}

impl Names {
    /// A regular expression for whole names; fails with the text where it is not valid.
    pub fn matching(text: &str) -> Result<Self, String> {
        whole(&format!("(?:{text})"), text).map(Self::Matching)
    }

    fn has_exactly(&self, module: &str) -> bool {
        match self {
            Self::All => true,
            Self::Matching(pattern) => is_match(pattern, module),
            Self::EndingIn(names) => names.iter().any(|name| name == module),
        }
    }

    fn has_end_of(&self, module: &str) -> bool {
        let Self::EndingIn(names) = self else { return false };
        let is_end = |name: &String| {
            module.strip_suffix(name.as_str()).is_some_and(|head| head.ends_with('.'))
        };
        names.iter().any(is_end)
    }
}

/// Which modules the adapter updates.
#[derive(Debug)]
pub(super) struct Targets {
    /// The value of `target_modules`.
    pub named: Names,
    /// The value of `exclude_modules`.
    pub excluded: Option<Names>,
    /// `modules_to_save`, as expressions for the names of these modules and of those within.
    pub saved: Vec<SysRegex>,
    /// `layers_to_transform`: blocks, where not all.
    pub layers: Vec<u64>,
    /// `layers_pattern`: what the list of the blocks is called; none is any name.
    pub lists: Vec<SysRegex>,
}

impl Targets {
    /// Whether PEFT would put an update beside a module.
    pub fn has(&self, module: &str) -> bool {
        let is_of = |names: &Names| names.has_exactly(module) || names.has_end_of(module);
        if self.excluded.as_ref().is_some_and(is_of)
            || self.saved.iter().any(|saved| is_match(saved, module))
        {
            return false;
        }
        // A module that is named in full counts whatever its block.
        self.named.has_exactly(module)
            || self.named.has_end_of(module)
                && (self.layers.is_empty()
                    || self.layer(module).is_some_and(|it| self.layers.contains(&it)))
    }

    /// The block of a module: the first number in its name that stands after the name of a list.
    fn layer(&self, module: &str) -> Option<u64> {
        let parts: Vec<&str> = module.split('.').collect();
        let is_list = |end: usize| match self.lists.as_slice() {
            // PEFT expects one more name before that of the list.
            [] => end >= 2,
            lists => lists.iter().any(|list| is_match(list, &parts[..end].join("."))),
        };
        (1..parts.len().saturating_sub(1))
            .filter(|&at| is_list(at))
            .find_map(|at| parts[at].parse().ok())
    }
}

/// An expression for names or their last parts; fails with the text where it is not valid.
pub(super) fn end_of(text: &str) -> Result<SysRegex, String> {
    whole(&format!(r"(.*\.)?({text})"), text)
}

/// An expression for the name of a module and of those within it.
pub(super) fn within(text: &str) -> Result<SysRegex, String> {
    whole(&format!(r"(?:.*\.)?{text}(?:\..*)?"), text)
}

fn whole(pattern: &str, text: &str) -> Result<SysRegex, String> {
    SysRegex::new(&format!("^{pattern}$")).map_err(|_| text.to_owned())
}

fn is_match(pattern: &SysRegex, module: &str) -> bool {
    pattern.find_iter(module).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PEFT 0.21.2 makes of keys over two blocks with the default 8, as q0, v0, q1, v1.
    #[test]
    fn patterns_are_read_as_peft_reads_them() {
        for (patterns, expected) in [
            (vec![("q_proj", 16.0)], [16.0, 8.0, 16.0, 8.0]),
            (vec![("proj", 16.0)], [8.0; 4]),
            (vec![("_proj", 16.0)], [8.0; 4]),
            (vec![("model.layers.0.self_attn.q_proj", 16.0)], [16.0, 8.0, 8.0, 8.0]),
            (vec![("^model.layers.0.self_attn.q_proj", 16.0)], [16.0, 8.0, 8.0, 8.0]),
            (vec![("^layers.0.self_attn.q_proj", 16.0)], [8.0; 4]),
            (
                vec![("layers.0.self_attn.(q|v)_proj", 16.0), ("q_proj", 3.0)],
                [16.0, 16.0, 3.0, 8.0],
            ),
            (vec![("v_proj", 16.0), ("layers.0.self_attn.v_proj", 2.0)], [8.0, 16.0, 8.0, 16.0]),
            (vec![("layers.0.self_attn.v_proj", 2.0), ("v_proj", 16.0)], [8.0, 2.0, 8.0, 16.0]),
            (vec![("q_proj|v_proj", 16.0)], [16.0; 4]),
            (vec![("base_model.model.model.layers.0.self_attn.q_proj", 16.0)], [8.0; 4]),
            (vec![("(?!layers.1).*q_proj", 16.0)], [16.0, 8.0, 16.0, 8.0]),
            (vec![(r"layers\.\d+\.self_attn\.q_proj", 3.5)], [3.5, 8.0, 3.5, 8.0]),
            (vec![("q_proj.weight", 16.0)], [8.0; 4]),
        ] {
            let named = patterns.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
            let by_module = ByModule::new(8.0, named).unwrap();
            let modules = [
                "0.self_attn.q_proj",
                "0.self_attn.v_proj",
                "1.self_attn.q_proj",
                "1.self_attn.v_proj",
            ];
            let found = modules.map(|module| by_module.of(&format!("model.layers.{module}")));
            assert_eq!(found, expected, "{patterns:?}");
        }
        assert_eq!(ByModule::new(8.0, vec![("(".to_owned(), 1.0)]).unwrap_err(), "(");
    }

    #[test]
    fn targets_are_those_of_peft() {
        let ending =
            |names: &[&str]| Names::EndingIn(names.iter().map(|it| (*it).to_owned()).collect());
        let of =
            |named| Targets { named, excluded: None, saved: vec![], layers: vec![], lists: vec![] };
        let (q, score) = ("model.layers.1.self_attn.q_proj", "score");
        assert!(of(ending(&["q_proj"])).has(q) && of(ending(&[q])).has(q) && of(Names::All).has(q));
        assert!(!of(ending(&["proj", "layers.1"])).has(q));
        assert!(of(Names::matching(".*(q|v)_proj").unwrap()).has(q));
        assert!(!of(Names::matching("(q|v)_proj").unwrap()).has(q));
        let within_score = || vec![within("score").unwrap()];
        assert!(!Targets { saved: within_score(), ..of(Names::All) }.has(score));
        assert!(!Targets { saved: within_score(), ..of(Names::All) }.has("x.score.dense"));
        assert!(Targets { saved: within_score(), ..of(Names::All) }.has("x.scores"));
        assert!(!Targets { excluded: Some(ending(&["q_proj"])), ..of(Names::All) }.has(q));
        let layers = |layers: &[u64], lists: &[&str]| Targets {
            layers: layers.to_vec(),
            lists: lists.iter().map(|list| end_of(list).unwrap()).collect(),
            ..of(ending(&["q_proj"]))
        };
        assert!(layers(&[1], &[]).has(q) && !layers(&[0], &[]).has(q));
        assert!(layers(&[1], &["layers"]).has(q) && !layers(&[1], &["h"]).has(q));
        assert!(!layers(&[1], &[]).has("layers.1.self_attn.q_proj"));
        assert!(Targets { named: ending(&[q]), ..layers(&[0], &[]) }.has(q));
    }
}
