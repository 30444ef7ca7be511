//! The items, by the parts of the checklist.

mod applications;
mod calls;
mod life_cycle;
mod lines;
mod operations;
mod rare;
mod requests;
mod versions;

pub use life_cycle::Installed;
pub(crate) use life_cycle::stored;

use super::{Check, Item};

/// All items, in the order of their numbers.
pub const ITEMS: &[&[Item]] = &[
    life_cycle::ITEMS,
    versions::ITEMS,
    lines::ITEMS,
    requests::ITEMS,
    calls::ITEMS,
    operations::ITEMS,
    applications::ITEMS,
];

/// An item that is tested.
const fn item(number: u8, title: &'static str, test: fn(&super::Suite<'_>) -> super::Verdict) -> Item {
    Item { number, title, check: Check::Test(test) }
}
