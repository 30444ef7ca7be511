//! Which forwarding rule applies to a call.

use hookswitch_spi::{
    Bounds, CallerKind, ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules, OperationError,
};
use std::time::Duration;

/// The shortest and longest time after which a call counts as not answered: one that is offered rings no longer.
pub(crate) const NO_ANSWER: Bounds = Bounds { least: Duration::from_secs(1), most: Duration::from_secs(600) };
/// What applies when a list with a no-answer rule names no time.
const NO_ANSWER_DEFAULT: Duration = Duration::from_secs(20);

/// The list as it will be in force: times clamped; an error if it cannot be.
pub(crate) fn checked(
    mut rules: ForwardingRules,
    most: u16,
    domain: &str,
) -> Result<ForwardingRules, OperationError> {
    if rules.rules.len() > usize::from(most) {
        return Err(OperationError::InvalidParameter(format!(
            "a forwarding list holds at most {most} rules, not {}",
            rules.rules.len()
        )));
    }
    for rule in &mut rules.rules {
        if let ForwardTarget::Address(address) = &mut rule.to {
            *address = crate::dial::request_uri(address, domain)?.into();
        }
    }
    let has_no_answer = rules.rules.iter().any(|rule| rule.when == ForwardCondition::NoAnswer);
    rules.no_answer_after =
        has_no_answer.then(|| NO_ANSWER.clamp(rules.no_answer_after.unwrap_or(NO_ANSWER_DEFAULT)));
    Ok(rules)
}

/// The rule for a call from `caller`, who belongs there, under `condition`, if one applies.
pub(crate) fn applying<'a>(
    rules: &'a ForwardingRules,
    condition: ForwardCondition,
    caller: &str,
    kind: CallerKind,
) -> Option<&'a ForwardRule> {
    rules
        .rules
        .iter()
        .filter(|rule| rule.when == condition && rule.origin.is_none_or(|origin| origin == kind))
        .find(|rule| rule.from.as_deref().is_none_or(|from| same_address(from, caller)))
}

/// Whether `caller` (a URI) is meant by `rule` (a URI, a user part or a number).
fn same_address(rule: &str, caller: &str) -> bool {
    let user = |uri: &str| {
        let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
        rest.split(['@', ';', '?']).next().unwrap_or_default().to_owned()
    };
    if rule.contains('@') {
        let bare = |uri: &str| {
            let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
            rest.split([';', '?']).next().unwrap_or_default().to_ascii_lowercase()
        };
        return bare(rule) == bare(caller);
    }
    let digits = |text: &str| -> String { text.chars().filter(|c| !"-.() ".contains(*c)).collect() };
    digits(&user(rule)) == digits(&user(caller))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(when: ForwardCondition, from: Option<&str>, to: &str) -> ForwardRule {
        ForwardRule { when, from: from.map(Into::into), origin: None, to: ForwardTarget::Address(to.into()) }
    }

    #[test]
    fn the_first_applying_rule_wins_and_callers_are_told_apart() {
        use ForwardCondition::{Busy, Unconditional};
        let rules = ForwardingRules {
            rules: vec![
                rule(Unconditional, Some("+33 1 23"), "sip:vip@d"),
                rule(Unconditional, Some("sip:bob@example.org"), "sip:bobs@d"),
                rule(Busy, None, "sip:mail@d"),
            ],
            no_answer_after: None,
        };
        let to = |condition, caller| {
            applying(&rules, condition, caller, CallerKind::External).map(|rule| match &rule.to {
                ForwardTarget::Address(a) => a.to_string(),
                ForwardTarget::DoNotDisturb => "dnd".into(),
            })
        };
        assert_eq!(to(Unconditional, "sip:+33123@anywhere;user=phone").as_deref(), Some("sip:vip@d"));
        assert_eq!(to(Unconditional, "sip:bob@EXAMPLE.org").as_deref(), Some("sip:bobs@d"));
        assert_eq!(to(Unconditional, "sip:bob@other.org"), None);
        assert_eq!(to(Busy, "sip:anyone@x").as_deref(), Some("sip:mail@d"));
    }

    #[test]
    fn internal_and_external_callers_have_their_own_rules() {
        let of = |origin, to| ForwardRule { origin, ..rule(ForwardCondition::Unconditional, None, to) };
        let rules = ForwardingRules {
            rules: vec![
                of(Some(CallerKind::Internal), "sip:colleagues@d"),
                of(Some(CallerKind::External), "sip:strangers@d"),
            ],
            no_answer_after: None,
        };
        for (kind, to) in
            [(CallerKind::Internal, "sip:colleagues@d"), (CallerKind::External, "sip:strangers@d")]
        {
            let found = applying(&rules, ForwardCondition::Unconditional, "sip:a@b", kind);
            assert_eq!(found.map(|rule| rule.to.clone()), Some(ForwardTarget::Address(to.into())));
        }
        assert_eq!(applying(&rules, ForwardCondition::Busy, "sip:a@b", CallerKind::Internal), None);
    }

    #[test]
    fn ring_times_are_clamped_and_bad_targets_refused() {
        let list = |to: &str, after| ForwardingRules {
            rules: vec![rule(ForwardCondition::NoAnswer, None, to)],
            no_answer_after: Some(Duration::from_secs(after)),
        };
        assert_eq!(checked(list("200", 0), 8, "d").map(|r| r.no_answer_after), Ok(Some(NO_ANSWER.least)));
        assert_eq!(checked(list("200", 900), 8, "d").map(|r| r.no_answer_after), Ok(Some(NO_ANSWER.most)));
        assert!(checked(list("<bad>", 10), 8, "d").is_err());
        assert!(checked(list("200", 10), 0, "d").is_err());
    }
}
