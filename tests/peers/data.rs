//! Pairs of files beside what their publishers say of the fields.
