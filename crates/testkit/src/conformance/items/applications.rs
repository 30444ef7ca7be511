//! Part G: the application side (checklist 66 to 80).

use crate::conformance::Item;

pub(super) const ITEMS: &[Item] = &[];
