//! The message layer against corpora: every file with its verdict, mutations of every file, `rsip` as a second
//! opinion.
//!
//! Our own corpus stands in `tests/data`. That of RFC 4475 is found by the environment variable `HOOKSWITCH_CORPUS`,
//! or as `../shared/corpus` beside the repository; without it those tests say that they were skipped.
#![allow(clippy::disallowed_methods)] // Tests read files and the environment.

mod corpora;
mod mutations;
mod ours;
mod rfc4475;
mod second_opinion;
