//! The items, by the parts of the checklist.

mod applications;
mod audio;
mod calls;
mod camping;
mod details;
mod features;
mod life_cycle;
mod lines;
mod operations;
mod rare;
mod requests;
mod stored;
mod versions;

pub(crate) use stored::stored;
pub use stored::{Installed, StoreFault, stored_with};

use super::{Check, Item};

/// All items, in the order of their numbers.
pub const ITEMS: &[&[Item]] = &[
    stored::ITEMS,
    life_cycle::ITEMS,
    versions::ITEMS,
    lines::ITEMS,
    requests::ITEMS,
    calls::ITEMS,
    operations::ITEMS,
    features::ITEMS,
    details::ITEMS,
    applications::ITEMS,
];

/// An item that is tested.
const fn item(number: u8, title: &'static str, test: fn(&super::Suite<'_>) -> super::Verdict) -> Item {
    Item { number, title, check: Check::Test(test) }
}
