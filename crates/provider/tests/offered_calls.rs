//! Offered calls: ringing, rules, security, where they come from (checklist 43, 45 to 47, 55, 65).

mod common;

use common::*;
use hookswitch_provider::Alerting;
use hookswitch_spi::StateKind as S;
use hookswitch_spi::*;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn an_offered_call_rings_every_cycle_until_it_is_answered() {
    let rings = |r: &Rig| {
        r.events
            .iter()
            .filter_map(|event| match event {
                ProviderEvent::Ringing { mode, count, .. } => Some((*mode, *count)),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let mut r = Rig::new(trunk(|p| p.alerting = Alerting::OnAccept));
    r.p.detect_status(LINE, Set::of(&[StatusKind::Ringing])).unwrap();
    let call = r.offered("bob@10.0.0.2", "Alert-Info: <urn:alert:source:internal>\r\n");
    assert_eq!(rings(&r), [(2, 0)]);
    r.run(secs(13));
    assert_eq!(rings(&r), [(2, 0), (2, 1), (2, 2)]);
    r.ask(Operation::accept(call));
    r.run(secs(6));
    assert_eq!(rings(&r).len(), 4);
    r.ask(Operation::answer(call));
    r.run(secs(60));
    assert_eq!(rings(&r).len(), 4);
    // Nobody listens: nothing is told.
    r.p.detect_status(LINE, Set::NONE).unwrap();
    r.offered("carol@10.0.0.2", "");
    r.run(secs(20));
    assert_eq!(rings(&r).len(), 4);
}

fn rule(when: ForwardCondition, origin: Option<CallerKind>, to: &str) -> ForwardRule {
    let to = if to.is_empty() { ForwardTarget::DoNotDisturb } else { ForwardTarget::Address(to.into()) };
    ForwardRule { when, from: None, origin, to }
}

fn forward(r: &mut Rig, rules: Vec<ForwardRule>, no_answer_after: Option<Duration>) {
    let rules = ForwardingRules { rules, no_answer_after };
    r.ask(Operation::Forward { line: LINE, address: FIRST, rules });
}

#[test]
fn internal_and_external_callers_are_forwarded_apart() {
    let mut r = Rig::new(trunk(|_| {}));
    forward(
        &mut r,
        vec![
            rule(ForwardCondition::Unconditional, Some(CallerKind::Internal), "100"),
            rule(ForwardCondition::Unconditional, Some(CallerKind::External), ""),
        ],
        None,
    );
    r.invite("bob@pbx.test", "");
    assert_eq!(r.last("SIP/2.0 302").unwrap().contact().unwrap().uri().as_str(), "sip:100@pbx.test");
    r.invite("eve@far.example", "");
    assert_eq!(r.count("SIP/2.0 480"), 1);
    r.invite("anonymous@anonymous.invalid", "");
    assert_eq!(r.count("SIP/2.0 480"), 2);
    assert_eq!(r.last_new(), None);
    // The new list replaces the old one; an empty one ends forwarding.
    forward(&mut r, vec![], None);
    r.offered("dave@pbx.test", "");
}

#[test]
fn unconditional_rules_mask_the_others_and_times_are_clamped() {
    let mut r = Rig::new(trunk(|_| {}));
    let rules = vec![
        rule(ForwardCondition::NoAnswer, None, "200"),
        rule(ForwardCondition::Busy, None, "300"),
        rule(ForwardCondition::Unconditional, None, "400"),
    ];
    forward(&mut r, rules.clone(), Some(Duration::ZERO));
    let at = |wanted: &dyn Fn(&ProviderEvent) -> bool| r.events.iter().position(wanted).unwrap();
    assert!(
        at(&|e| matches!(e, ProviderEvent::Completed { .. }))
            < at(&|e| matches!(e, ProviderEvent::Forwarding { .. }))
    );
    assert_eq!(r.p.forwarding(LINE, FIRST).unwrap().no_answer_after, Some(secs(1)));
    assert_eq!(r.p.address_status(LINE, FIRST).unwrap().forwarding.rules.len(), 3);
    r.invite("bob@pbx.test", "");
    assert!(r.last("SIP/2.0 302").unwrap().contact().unwrap().uri().as_str().contains("400"));
    forward(&mut r, rules[..1].to_vec(), Some(secs(900)));
    assert_eq!(r.p.forwarding(LINE, FIRST).unwrap().no_answer_after, Some(secs(600)));
}

#[test]
fn a_secured_call_is_not_interrupted_until_it_ends() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "one");
    let (secured, _) = r.ask(Operation::SecureCall { call });
    assert_eq!(r.result(secured), Some(Ok(Outcome::Done)));
    assert!(r.info(call).secure);
    r.invite("bob@pbx.test", "");
    r.invite("joe@pbx.test", "Join: c1;to-tag=a;from-tag=b\r\n");
    assert_eq!((r.count("SIP/2.0 486"), r.count("SIP/2.0 180"), r.last_new()), (2, 0, None));
    r.callee_sends("one", "BYE", 7, "");
    assert_eq!(r.state(call), S::Disconnected);
    r.offered("carol@pbx.test", "");
}

#[test]
fn origin_and_reason_say_where_a_call_comes_from() {
    let mut r = Rig::new(trunk(|_| {}));
    for (from, more, origin, reason) in [
        ("a1@pbx.test", "", Origin::Internal, Reason::Direct),
        ("a2@far.example", "", Origin::External, Reason::Direct),
        (
            "a3@far.example",
            "Diversion: <sip:x@pbx.test>;reason=user-busy\r\n",
            Origin::External,
            Reason::ForwardedBusy,
        ),
        (
            "a4@far.example",
            "Diversion: <sip:x@pbx.test>;reason=no-answer\r\n",
            Origin::External,
            Reason::ForwardedNoAnswer,
        ),
        (
            "a5@pbx.test",
            "Diversion: <sip:x@pbx.test>;reason=unconditional\r\n",
            Origin::Internal,
            Reason::ForwardedUnconditional,
        ),
        ("a6@pbx.test", "Referred-By: <sip:x@pbx.test>\r\n", Origin::Internal, Reason::Transferred),
        ("anonymous@anonymous.invalid", "", Origin::Inbound, Reason::Direct),
    ] {
        let call = r.offered(from, more);
        let info = r.info(call);
        assert_eq!((info.origin, info.reason), (origin, reason), "{from} {more}");
    }
}

#[test]
fn what_is_not_known_is_told_apart() {
    use Presentation as P;
    for (trust, from, more, shown) in [
        (true, "b1@pbx.test", "", P::Known),
        (true, "anonymous@anonymous.invalid", "", P::Blocked),
        (true, "b2@pbx.test", "P-Asserted-Identity: <sip:b2@pbx.test>\r\nPrivacy: id\r\n", P::Blocked),
        (true, "unavailable@pbx.test", "", P::OutOfArea),
        (true, "unknown@pbx.test", "", P::Unknown),
        (false, "unknown@pbx.test", "", P::Unavailable),
    ] {
        let mut r = Rig::new(trunk(|p| p.trust_identity = trust));
        let call = r.offered(from, more);
        assert_eq!(r.info(call).caller.presentation, shown, "{trust} {from} {more}");
    }
}

#[test]
fn a_callers_name_that_comes_late_is_told_once() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.offered("unknown@pbx.test", "");
    r.ask(Operation::answer(call));
    r.acknowledge("unknown@pbx.test");
    let heard = r.events.len();
    let more = format!(
        "P-Asserted-Identity: \"Bob\" <sip:bob@pbx.test>\r\n{}",
        body(&SDP.replace("1 1 IN", "1 2 IN"))
    );
    r.caller_sends("unknown@pbx.test", "UPDATE", 2, &more);
    let told: Vec<_> = r.events[heard..].to_vec();
    assert_eq!(
        told,
        [ProviderEvent::CallInfo { call, changed: InfoParts::CONNECTED.union(InfoParts::CALLER) }]
    );
    let info = r.info(call);
    assert_eq!((&*info.caller.address, &*info.caller.name), ("sip:bob@pbx.test", "Bob"));
    assert_eq!(&*info.connected.address, "sip:bob@pbx.test");
}

#[test]
fn legs_of_one_physical_call_have_one_number() {
    let mut r = Rig::new(trunk(|_| {}));
    let (_, call) = r.make("600");
    let invite = r.last("INVITE").unwrap();
    let session = invite.header(hookswitch_sip::message::Name::SessionId).unwrap().to_owned();
    r.reply("INVITE", "180 Ringing", "");
    let number = r.info(call).physical;
    // The switch sends it back to another address of the line.
    let other = r.offered("bob@pbx.test", &format!("Session-ID: {session}\r\n"));
    assert_eq!(r.info(other).physical, number);
    let stranger = r.offered("carol@pbx.test", "");
    assert_ne!(r.info(stranger).physical, number);
    let mut r = Rig::new(trunk(|p| p.linked_id = Some("X-Linked-ID".into())));
    let one = r.offered("bob@pbx.test", "X-Linked-ID: 17.3\r\n");
    let (_, two) = r.make("600");
    let invite = r.last("INVITE").unwrap();
    r.get(reply(&invite, "180 Ringing", "").replace("Content-Length", "X-Linked-ID: 17.3\r\nContent-Length"));
    assert_eq!(r.info(one).physical, r.info(two).physical);
}
