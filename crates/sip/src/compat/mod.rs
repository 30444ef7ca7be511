//! Types of other crates that people know, as a border: nothing below it goes over the wire.

pub mod rsip;
