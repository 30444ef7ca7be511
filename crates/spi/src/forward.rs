//! Standing forwarding rules of an address (TAPI: LINEFORWARD; spec 2.12).

use crate::set::member;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The whole list of an address; setting it replaces what was there, an empty list cancels forwarding.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ForwardingRules {
    /// In order; among rules that apply the first wins, unconditional ones before the others.
    pub rules: Vec<ForwardRule>,
    /// How long an offered call may ring before the no-answer rules apply; clamped by the provider.
    #[serde(default)]
    pub no_answer_after: Option<Duration>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardRule {
    /// When it applies.
    pub when: ForwardCondition,
    /// Only for calls from this address (user part or URI); all calls if absent.
    #[serde(default)]
    pub from: Option<Box<str>>,
    /// Only for internal calls (from the line's own domain), or only for external ones; both if absent.
    #[serde(default)]
    pub origin: Option<CallerKind>,
    /// Where calls go.
    pub to: ForwardTarget,
}

/// Where a caller belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerKind {
    /// To the line's own domain.
    Internal,
    /// Elsewhere, or not known.
    External,
}

/// When a forwarding rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardCondition {
    /// Always.
    Unconditional,
    /// The line has as many calls as it can take.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
}

/// Where a rule sends calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardTarget {
    /// To this address (302).
    Address(Box<str>),
    /// Nowhere: do not disturb (480 or the line's own status).
    DoNotDisturb,
}

member!(ForwardCondition: Unconditional, Busy, NoAnswer);
