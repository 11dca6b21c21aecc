//! Two libraries read an enum's names off its variants: serde for JSON and specs, strum for tables and
//! the command line. They must agree on every one.

use std::fmt::Debug;
use std::str::FromStr;

use serde::Serialize;
use strum::VariantArray;

use super::metrics::Split;
use super::preference::Side;
use super::run::{RequestKind, RunKind, RunStatus, StopReason};
use super::selection::LeftOut;
use super::selection::learning_status::LearningStatus;
use super::spec::OracleQueue;
use super::spec::model::Precision;
use super::verdict::Verdict;

fn written<T: VariantArray + Serialize + Copy + Into<&'static str>>() {
    assert!(!T::VARIANTS.is_empty());
    for variant in T::VARIANTS {
        let name: &str = (*variant).into();
        assert_eq!(serde_json::to_value(variant).unwrap(), name);
    }
}

fn written_and_read<T>()
where
    T: VariantArray + Serialize + Copy + Into<&'static str> + FromStr + PartialEq + Debug,
{
    written::<T>();
    for variant in T::VARIANTS {
        let name: &str = (*variant).into();
        assert_eq!(name.parse::<T>().ok(), Some(*variant));
    }
}

#[test]
fn both_libraries_write_the_same_names() {
    written::<Split>();
    written::<OracleQueue>();
    written::<Precision>();
    written_and_read::<Side>();
    written_and_read::<RunKind>();
    written_and_read::<RunStatus>();
    written_and_read::<StopReason>();
    written_and_read::<RequestKind>();
    written_and_read::<LeftOut>();
    written_and_read::<LearningStatus>();
    written_and_read::<Verdict>();
}
