//! What travels with calls, what is subscribed to, and what follows from it: with a scripted peer, message by message.

mod common;

use common::*;
use hookswitch_provider::{MessageWaiting, Profile};
use hookswitch_sip::message::{Message, Name};
use hookswitch_spi::*;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn uui(text: &str) -> String {
    let hex: String = text.bytes().map(|octet| format!("{octet:02x}")).collect();
    format!("User-to-User: {hex};encoding=hex\r\n")
}

fn info_of(text: &str) -> Option<UserInfo> {
    Some(UserInfo(text.as_bytes().to_vec()))
}

/// A trunk whose switch has everything.
fn able(profile: &mut Profile) {
    profile.keep_alive = 0;
    profile.dialog_events = true;
    profile.park = true;
    profile.park_finder = "park".into();
}

/// A response with further header fields.
fn reply_with(request: &Message, status: &str, more: &str, sdp: &str) -> String {
    reply(request, status, sdp).replacen("Contact:", &format!("{more}Contact:"), 1)
}

impl Rig {
    /// A NOTIFY within the last subscription.
    fn notifies(&mut self, state: &str, kind: &str, text: &str) {
        let subscribe = self.last("SUBSCRIBE").expect("a SUBSCRIBE");
        let n = self.now.as_millis() + self.sent.len() as u64;
        self.get(notify_of(&subscribe, n, state, kind, text));
    }

    fn accepts_subscription(&mut self) {
        let subscribe = self.last("SUBSCRIBE").expect("a SUBSCRIBE");
        let ok = reply_with(&subscribe, "200 OK", "Expires: 3600\r\n", "").replace(";tag=peer", ";tag=watch");
        self.get(ok);
    }

    fn dialogs(&mut self, version: u32, dialogs: &str) {
        let text = dialog_info(version.into(), dialogs);
        self.notifies("active;expires=3600", "application/dialog-info+xml", &text);
    }

    fn changes(&self, id: CallId, part: InfoParts) -> usize {
        let told = self.events.iter().filter(
            |event| matches!(event, ProviderEvent::CallInfo { call, changed } if *call == id && changed.contains(part)),
        );
        told.count()
    }

    fn extension(&mut self, call: CallId, command: ExtensionCommand) -> Result<Outcome, OperationError> {
        let (id, _) = self.ask(Operation::Extension { line: LINE, call: Some(call), command });
        self.result(id).expect("a command completes at once")
    }
}

#[test]
fn user_information_is_shown_one_at_a_time_and_told_when_it_becomes_visible() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.offered("bob@10.0.0.2", &uui("first"));
    assert_eq!(r.info(call).user_info, info_of("first"));
    assert_eq!(r.changes(call, InfoParts::USER_INFO), 0, "it came with the offer");
    r.ask(Operation::answer(call));
    r.acknowledge("bob@10.0.0.2");
    for (n, text) in ["second", "third", "fourth", "one too many"].into_iter().enumerate() {
        r.caller_sends("bob@10.0.0.2", "INFO", 2 + n as u32, &uui(text));
    }
    assert_eq!(r.changes(call, InfoParts::USER_INFO), 0, "nothing became visible");
    for text in ["second", "third", "fourth"] {
        r.ask(Operation::ReleaseUserInfo { call });
        assert_eq!(r.info(call).user_info, info_of(text));
    }
    assert_eq!(r.changes(call, InfoParts::USER_INFO), 3);
    r.ask(Operation::ReleaseUserInfo { call });
    assert_eq!(r.info(call).user_info, None);
    r.caller_sends("bob@10.0.0.2", "BYE", 9, &uui("bye"));
    assert_eq!(r.info(call).user_info, info_of("bye"));
    assert_eq!(r.changes(call, InfoParts::USER_INFO), 4);
    r.p.close_call(r.now, call);
    assert_eq!(r.p.call_info(call), None);
}

#[test]
fn a_180_that_is_repeated_tells_nothing_anew() {
    let mut r = Rig::new(trunk(|_| {}));
    let (_, call) = r.make_with("600", CallOptions { user_info: info_of("hello"), ..CallOptions::default() });
    let invite = r.last("INVITE").unwrap();
    assert_eq!(invite.header(Name::UserToUser), Some("68656c6c6f;encoding=hex"));
    for _ in 0..3 {
        r.get(reply_with(&invite, "180 Ringing", &uui("ringing"), ""));
    }
    assert_eq!(r.info(call).user_info, info_of("ringing"));
    r.ask(Operation::ReleaseUserInfo { call });
    assert_eq!(r.info(call).user_info, None, "the repetitions are no news");
    // What is to be told while it rings is told once it is answered.
    let (sent, _) = r.ask(Operation::SendUserInfo { call, data: UserInfo(b"x".to_vec()) });
    assert_eq!((r.count("INFO"), r.result(sent)), (0, None));
    r.get(reply_with(&invite, "200 OK", &uui("answered"), SDP));
    assert_eq!(r.info(call).user_info, info_of("answered"));
    assert_eq!(r.count("INFO"), 1);
    r.reply("INFO", "200 OK", "");
    assert_eq!(r.result(sent), Some(Ok(Outcome::Done)));
    let (refused, _) = r.ask(Operation::SendUserInfo { call, data: UserInfo(b"y".to_vec()) });
    r.reply("INFO", "403 Forbidden", "");
    assert!(matches!(r.result(refused), Some(Err(OperationError::Refused { status: 403, .. }))));
}

#[test]
fn user_information_beyond_what_the_switch_passes_is_refused() {
    let mut r = Rig::new(trunk(|profile| profile.user_info = 0));
    let options = CallOptions { user_info: info_of("x"), ..CallOptions::default() };
    let make = Operation::MakeCall { line: LINE, address: FIRST, destination: "600".into(), options };
    assert_eq!(r.refused(make), OperationError::UserInfoTooBig { got: 1, most: 0 });
    let call = r.offered("bob@10.0.0.2", "");
    let send = Operation::SendUserInfo { call, data: UserInfo(vec![1]) };
    assert!(matches!(r.refused(send), OperationError::Unavailable(_)));
}

fn notify_outside(user: &str, event: &str, text: &str) -> String {
    format!(
        "NOTIFY sip:{user}@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{}{}\r\nFrom: <sip:mwi@pbx.test>;tag=m\r\n\
         To: <sip:{user}@10.0.0.1>\r\nCall-ID: mwi{}\r\nCSeq: 1 NOTIFY\r\nMax-Forwards: 70\r\nContact: <sip:mwi@10.0.0.2:5060>\r\n\
         Event: {event}\r\nSubscription-State: active\r\nContent-Type: application/simple-message-summary\r\n\
         Content-Length: {}\r\n\r\n{text}",
        text.len(),
        user.len(),
        text.len() + event.len(),
        text.len()
    )
}

#[test]
fn what_the_switch_tells_without_being_asked_lights_the_lamp_and_a_stranger_does_not() {
    let mut r = Rig::new(trunk(|profile| profile.message_waiting = MessageWaiting::Unsolicited));
    r.p.detect_status(LINE, Set::of(&[StatusKind::MessageWaiting])).unwrap();
    let lamp = |r: &Rig| {
        let told = r.events.iter().filter_map(|event| match event {
            ProviderEvent::MessageWaiting { waiting, new, .. } => Some((*waiting, *new)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    r.get(notify_outside("line", "message-summary", "Messages-Waiting: yes\r\nVoice-Message: 2/1\r\n"));
    assert!(r.last("SIP/2.0 200").is_some());
    assert_eq!(lamp(&r), [(true, 2)]);
    r.get(notify_outside("line", "message-summary", "Messages-Waiting: yes\r\nVoice-Message: 12/1\r\n"));
    r.get(notify_outside("line", "message-summary", "this is no summary"));
    r.get(notify_outside("line", "message-summary", ""));
    assert_eq!(lamp(&r), [(true, 2)]);
    r.get(notify_outside("line", "presence", "Messages-Waiting: no\r\n"));
    assert!(r.last("SIP/2.0 489").is_some());
    r.get(notify_outside("nobody", "message-summary", "Messages-Waiting: no \r\n"));
    assert!(r.last("SIP/2.0 481").is_some());
    let home = r.flow;
    r.flow = hookswitch_machine::Flow::to(hookswitch_machine::EndpointId(1), ([203, 0, 113, 6], 5060).into());
    r.get(notify_outside("line", "message-summary", "Messages-Waiting: no\r\n\r\n"));
    assert_eq!(lamp(&r), [(true, 2)], "a stranger says that nothing waits");
    r.flow = home;
    r.get(notify_outside("line", "message-summary", "Messages-Waiting: no\r\nVoice-Message: 0/4\r\n"));
    assert_eq!(lamp(&r), [(true, 2), (false, 0)]);
    assert!(!r.p.line_status(LINE).unwrap().message_waiting);
}

fn registers(r: &mut Rig) {
    let register = r.last("REGISTER").unwrap();
    let contact = register.header(Name::Contact).unwrap().to_owned();
    let ok = reply(&register, "200 OK", "");
    r.get(ok.replace("Contact: <sip:peer@10.0.0.2:5060>", &format!("Contact: {contact}")));
}

#[test]
fn a_switch_without_mailboxes_is_asked_once() {
    let mut r = Rig::new(account("10.0.0.2", true));
    registers(&mut r);
    assert_eq!(r.count("SUBSCRIBE"), 1);
    let subscribe = r.last("SUBSCRIBE").unwrap();
    assert_eq!(subscribe.request_uri(), Some("sip:line@pbx.test"));
    assert_eq!(subscribe.header(Name::Event), Some("message-summary"));
    r.reply("SUBSCRIBE", "489 Bad Event", "");
    let before = r.count("REGISTER");
    for _ in 0..3 {
        r.run(secs(3_500));
        if r.count("REGISTER") > before {
            registers(&mut r);
        }
    }
    assert!(r.count("REGISTER") > before, "it registers anew");
    assert_eq!(r.count("SUBSCRIBE"), 1, "and does not ask again");
}

fn pick(station: &str) -> Operation {
    Operation::Pickup { line: LINE, address: FIRST, from: PickupFrom::Address(station.into()) }
}

#[test]
fn an_alerting_dialog_is_taken_over_without_a_feature_code() {
    let mut r = Rig::new(trunk(able));
    let (id, call) = r.ask(pick("door"));
    let call = call.unwrap();
    r.accepts_subscription();
    assert_eq!(r.result(id), None);
    r.dialogs(0, RINGS);
    let invite = r.last("INVITE").expect("the caller is called");
    assert_eq!(invite.request_uri(), Some("sip:ann@10.0.0.2:5060"));
    assert_eq!(invite.header(Name::Replaces), Some("c7@h;to-tag=caller;from-tag=station;early-only"));
    assert_eq!(invite.header(Name::Require), Some("replaces"));
    let subscribe = r.last("SUBSCRIBE").unwrap();
    assert_eq!(subscribe.header(Name::Expires), Some("0"), "it is not watched any longer");
    assert!(r.p.call_state(call).is_none() || r.result(id).is_none());
    r.reply("INVITE", "100 Trying", "");
    assert_eq!(r.result(id), None, "whether there is a call is not known before the answer");
    r.peer_answers("ann");
    assert_eq!(r.result(id), Some(Ok(Outcome::Call(call))));
    assert_eq!(r.states(call), [StateKind::Proceeding, StateKind::Connected]);
    let info = r.info(call);
    assert_eq!((info.reason, &*info.connected.name), (Reason::PickedUp, "Ann"));
}

#[test]
fn nothing_alerts_where_a_call_is_to_be_picked_up() {
    for (answer, expected) in [
        ("", OperationError::NothingThere("door".into())),
        ("404 Not Found", OperationError::NothingThere("door".into())),
        ("403 Forbidden", OperationError::Refused { status: 403, reason: "Forbidden".into() }),
        ("silence", OperationError::TimedOut(secs(10))),
    ] {
        let mut r = Rig::new(trunk(able));
        let (id, call) = r.ask(pick("door"));
        match answer {
            "" => {
                r.accepts_subscription();
                r.dialogs(0, "<dialog id=\"d1\"><state>confirmed</state></dialog>");
            }
            "silence" => r.run(secs(11)),
            status => r.reply("SUBSCRIBE", status, ""),
        }
        assert_eq!(r.result(id), Some(Err(expected)), "{answer}");
        assert_eq!(r.p.call_state(call.unwrap()), None);
        assert_eq!(r.p.alive().calls, 0);
        r.run(secs(70));
        assert_eq!(r.p.alive().timers, 0, "{answer}: {:?}", r.p.alive());
    }
}

#[test]
fn a_hostile_dialog_document_calls_nobody() {
    for dialogs in [
        RINGS.replace("sip:ann@10.0.0.2:5060", "sip:ann@10.0.0.2&#13;&#10;X: y"),
        RINGS.replace("sip:ann@10.0.0.2:5060", "tel:+1900"),
        RINGS.replace("c7@h", "c7;to-tag=evil"),
        RINGS.replace(" local-tag=\"station\"", ""),
    ] {
        let mut r = Rig::new(trunk(able));
        let (id, _) = r.ask(pick("door"));
        r.accepts_subscription();
        r.dialogs(0, &dialogs);
        assert_eq!(r.count("INVITE"), 0, "{dialogs}");
        assert!(matches!(r.result(id), Some(Err(_))), "{dialogs}: {:?}", r.result(id));
    }
}

#[test]
fn a_free_orbit_is_asked_for_and_the_outcome_is_what_happened() {
    let mut r = Rig::new(trunk(able));
    let call = r.answered("bob@10.0.0.2");
    let park = |at| Operation::Park { call, at };
    // Nobody names one.
    for status in ["486 Busy Here", "200 OK"] {
        let (id, _) = r.ask(park(ParkAt::Anywhere));
        assert_eq!(r.last("INVITE").unwrap().request_uri(), Some("sip:park@pbx.test"));
        r.reply("INVITE", status, if status.starts_with('2') { SDP } else { "" });
        assert!(matches!(r.result(id), Some(Err(_))), "{status}: {:?}", r.result(id));
        assert_eq!(r.state(call), StateKind::Connected);
    }
    assert_eq!(r.count("BYE"), 1, "who answers instead is let go");
    r.reply("BYE", "200 OK", "");
    let (id, _) = r.ask(park(ParkAt::Anywhere));
    r.run(secs(11));
    assert_eq!(r.result(id), Some(Err(OperationError::TimedOut(secs(10)))));
    // One is named, and refuses.
    let (id, _) = r.ask(park(ParkAt::Anywhere));
    let invite = r.last("INVITE").unwrap();
    r.get(reply(&invite, "302 Moved", "").replace("sip:peer@10.0.0.2:5060", "sip:703@pbx.test"));
    let refer = r.last("REFER").expect("the other party is sent there");
    assert_eq!(refer.header(Name::ReferTo), Some("<sip:703@pbx.test>"));
    assert!(matches!(r.refused(park(ParkAt::Anywhere)), OperationError::Failed(_)));
    r.reply("REFER", "603 Decline", "");
    assert!(matches!(r.result(id), Some(Err(OperationError::Refused { status: 603, .. }))));
    assert_eq!(r.state(call), StateKind::Connected);
    // It is taken.
    let (id, _) = r.ask(park(ParkAt::Orbit("704".into())));
    r.reply("REFER", "202 Accepted", "");
    let cseq = r.last("REFER").unwrap().cseq().number;
    let frag = "SIP/2.0 200 OK\r\n";
    let notify = format!(
        "Event: refer;id={cseq}\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n\
         Content-Length: {}\r\n\r\n{frag}",
        frag.len()
    );
    r.caller_sends("bob@10.0.0.2", "NOTIFY", 20, &notify);
    assert_eq!(r.result(id), Some(Ok(Outcome::Parked("704".into()))));
    assert_eq!(r.state(call), StateKind::Idle);
}

#[test]
fn a_call_that_ends_while_an_orbit_is_looked_for_is_not_parked() {
    let mut r = Rig::new(trunk(able));
    let call = r.answered("bob@10.0.0.2");
    let (id, _) = r.ask(Operation::Park { call, at: ParkAt::Anywhere });
    let invite = r.last("INVITE").unwrap();
    r.caller_sends("bob@10.0.0.2", "BYE", 2, "");
    assert_eq!(r.result(id), Some(Err(OperationError::CallEnded)));
    r.get(reply(&invite, "302 Moved", "").replace("sip:peer@10.0.0.2:5060", "sip:703@pbx.test"));
    assert_eq!(r.count("REFER"), 0);
    r.p.close_call(r.now, call);
    r.run(secs(70));
    let alive = r.p.alive();
    assert_eq!((alive.calls, alive.sessions, alive.timers), (0, 0, 0), "{alive:?}");
}

#[test]
fn an_orbit_without_a_call_is_told_as_such() {
    let mut r = Rig::new(trunk(able));
    let (id, call) = r.ask(Operation::Unpark { line: LINE, address: FIRST, orbit: "703".into() });
    r.reply("INVITE", "100 Trying", "");
    r.reply("INVITE", "404 Not Found", "");
    assert_eq!(r.result(id), Some(Err(OperationError::NothingThere("703".into()))));
    assert_eq!(r.p.call_state(call.unwrap()), None);
}

/// A call that found its party busy, and is not dropped yet.
fn busy(r: &mut Rig) -> CallId {
    let (_, call) = r.make("door");
    r.reply("INVITE", "100 Trying", "");
    r.reply("INVITE", "486 Busy Here", "");
    assert_eq!(r.states(call), [StateKind::Proceeding, StateKind::Busy]);
    call
}

fn complete(call: CallId) -> Operation {
    Operation::CompleteCall { call, mode: CompletionMode::CallBack }
}

#[test]
fn the_completion_of_a_busy_call_is_offered_rings_and_calls_when_answered() {
    let mut r = Rig::new(trunk(able));
    r.p.detect_status(LINE, Set::ALL).unwrap();
    let attempt = busy(&mut r);
    let (id, _) = r.ask(complete(attempt));
    assert_eq!(r.last("SUBSCRIBE").unwrap().request_uri(), Some("sip:door@pbx.test"));
    r.accepts_subscription();
    r.dialogs(0, "<dialog id=\"d1\"><state>confirmed</state></dialog>");
    assert!(matches!(r.result(id), Some(Ok(Outcome::Completion(_)))), "{:?}", r.result(id));
    assert_eq!(r.state(attempt), StateKind::Idle);
    assert_eq!(r.last_new(), None);
    r.dialogs(1, "");
    let back = r.last_new().expect("the party is free");
    assert_eq!(r.states(back), [StateKind::Offering]);
    r.run(secs(15));
    let rings = r.events.iter().filter(|event| matches!(event, ProviderEvent::Ringing { .. })).count();
    assert_eq!(rings, 3, "it rings like any other call");
    let before = r.count("INVITE");
    let (answered, _) = r.ask(Operation::answer(back));
    assert_eq!(r.result(answered), Some(Ok(Outcome::Done)));
    assert_eq!(r.count("INVITE"), before + 1);
    r.reply("INVITE", "180 Ringing", "");
    r.peer_answers("door");
    assert_eq!(
        r.states(back),
        [
            StateKind::Offering,
            StateKind::Dialing,
            StateKind::Proceeding,
            StateKind::Ringback,
            StateKind::Connected
        ]
    );
    r.run(secs(60));
    assert_eq!(r.state(back), StateKind::Connected);
}

#[test]
fn a_completed_call_can_be_dropped_unanswered() {
    let mut r = Rig::new(trunk(able));
    let attempt = busy(&mut r);
    r.ask(complete(attempt));
    r.accepts_subscription();
    r.dialogs(0, "");
    let back = r.last_new().expect("the party is free already");
    let before = r.count("INVITE");
    r.ask(Operation::drop(back));
    assert_eq!(r.state(back), StateKind::Idle);
    r.run(secs(60));
    assert_eq!(r.count("INVITE"), before);
    for call in [attempt, back] {
        r.p.close_call(r.now, call);
    }
    assert_eq!(r.p.alive().calls, 0);
}

#[test]
fn a_party_that_cannot_be_watched_leaves_the_attempt_as_it_is() {
    let mut r = Rig::new(trunk(able));
    let (_, call) = r.make("door");
    r.reply("INVITE", "180 Ringing", "");
    let (id, _) = r.ask(complete(call));
    r.reply("SUBSCRIBE", "489 Bad Event", "");
    assert!(matches!(r.result(id), Some(Err(OperationError::Refused { status: 489, .. }))));
    assert_eq!(r.state(call), StateKind::Ringback);
    assert_eq!(r.p.line_status(LINE).unwrap().completions, 0);
}

#[test]
fn a_switch_that_tells_nothing_of_the_party_arranges_nothing() {
    for told in ["nothing", "rubbish", "pending"] {
        let mut r = Rig::new(trunk(able));
        let attempt = busy(&mut r);
        let (id, _) = r.ask(complete(attempt));
        r.accepts_subscription();
        match told {
            "rubbish" => r.notifies("active;expires=3600", "application/dialog-info+xml", "<dialog-info"),
            "pending" => r.notifies("pending;expires=3600", "application/dialog-info+xml", ""),
            _ => {}
        }
        r.run(secs(41));
        assert!(matches!(r.result(id), Some(Err(OperationError::Failed(_)))), "{told}: {:?}", r.result(id));
        assert_eq!(r.state(attempt), StateKind::Disconnected, "the attempt is as it was");
        r.p.close_call(r.now, attempt);
        r.run(secs(80));
        let alive = r.p.alive();
        assert_eq!((alive.calls, alive.timers, alive.subscriptions), (0, 0, 0), "{told}: {alive:?}");
    }
}

#[test]
fn completions_have_a_limit_and_end_with_their_line() {
    let mut r = Rig::new(trunk(able));
    let most = r.p.capabilities(LINE).unwrap().max_completions;
    let mut asked = Vec::new();
    for _ in 0..most {
        let call = busy(&mut r);
        asked.push(r.ask(complete(call)).0);
    }
    let call = busy(&mut r);
    assert_eq!(r.refused(complete(call)), OperationError::TooManyCompletions(most));
    r.p.close_line(r.now, LINE);
    r.drain();
    for id in asked {
        assert_eq!(r.result(id), Some(Err(OperationError::Closed)));
    }
    r.run(secs(120));
    let alive = r.p.alive();
    assert_eq!((alive.calls, alive.timers, alive.subscriptions), (0, 0, 0), "{alive:?}");
}

#[test]
fn headers_of_applications_travel_only_with_the_extension() {
    let mut r = Rig::new(trunk(|_| {}));
    let header = |name: &str, value: &str| (Box::from(name), Box::from(value));
    let options = CallOptions { headers: vec![header("X-Order", "4711")], ..CallOptions::default() };
    let make = |options: &CallOptions| Operation::MakeCall {
        line: LINE,
        address: FIRST,
        destination: "600".into(),
        options: options.clone(),
    };
    assert_eq!(r.refused(make(&options)), OperationError::ExtensionNotSelected("sip"));
    r.p.select_extension(LINE, ExtensionVersion(1)).unwrap();
    for (name, value) in [
        ("X-Order", "a\r\nEvil: 1"),
        ("Via", "x"),
        ("Session-ID", "x"),
        ("Contact", "<sip:evil@e>"),
        ("a b", "x"),
    ] {
        let wrong = CallOptions { headers: vec![header(name, value)], ..CallOptions::default() };
        assert!(matches!(r.refused(make(&wrong)), OperationError::InvalidParameter(_)), "{name}");
    }
    let (_, call) = r.ask(make(&options));
    let call = call.unwrap();
    let invite = r.last("INVITE").unwrap();
    assert_eq!(invite.header(Name::new("X-Order")), Some("4711"));
    r.get(reply_with(&invite, "180 Ringing", "X-Queue: sales\r\nServer: Switch/1\r\n", ""));
    r.get(reply_with(&invite, "200 OK", "X-Agent: 7\r\nServer: Switch/1\r\n", SDP));
    let Ok(Outcome::Extension(ExtensionAnswer::Headers(told))) = r.extension(call, ExtensionCommand::Headers)
    else {
        panic!("no headers");
    };
    assert!(told.contains(&header("X-Agent", "7")), "{told:?}");
    let set = ExtensionCommand::SetHeaders(vec![header("X-Note", "kept")]);
    assert_eq!(r.extension(call, set), Ok(Outcome::Extension(ExtensionAnswer::Done)));
    r.ask(Operation::Hold { call });
    let again = r.last("INVITE").unwrap();
    assert_eq!(again.header(Name::new("X-Note")), Some("kept"));
    assert_eq!(again.header(Name::new("X-Order")), None);
    r.holds("recvonly");
    r.extension(call, ExtensionCommand::SetHeaders(vec![])).unwrap();
    let Ok(Outcome::Extension(ExtensionAnswer::Identifiers {
        call_id,
        local_tag,
        remote_tag,
        user_agent,
        ..
    })) = r.extension(call, ExtensionCommand::Identifiers)
    else {
        panic!("no identifiers");
    };
    assert_eq!((&*call_id, &*remote_tag, &*user_agent), (invite.call_id(), "peer", "Switch/1"));
    assert_eq!(Some(&*local_tag), invite.from_tag());
    let Ok(Outcome::Extension(ExtensionAnswer::Stream { codec, remote, .. })) =
        r.extension(call, ExtensionCommand::Stream)
    else {
        panic!("no stream");
    };
    assert_eq!((&*codec, &*remote), ("PCMU", "10.0.0.2:30000"));
    r.ask(Operation::drop(call));
    assert_eq!(r.last("BYE").unwrap().header(Name::new("X-Note")), None);
}

#[test]
fn requests_of_the_other_side_are_told_and_ours_are_sent_with_the_second_version() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.answered("bob@10.0.0.2");
    let told = |r: &Rig| {
        r.events
            .iter()
            .filter(|event| {
                matches!(event, ProviderEvent::Extension { event: ExtensionEvent::Received { .. }, .. })
            })
            .count()
    };
    let body = "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";
    r.caller_sends("bob@10.0.0.2", "INFO", 2, body);
    assert!(r.last("SIP/2.0 415").is_some());
    r.p.select_extension(LINE, ExtensionVersion(1)).unwrap();
    r.caller_sends("bob@10.0.0.2", "INFO", 3, body);
    assert_eq!(told(&r), 0);
    let send = |method: &str, content_type: &str, body: &[u8]| Operation::Extension {
        line: LINE,
        call: Some(call),
        command: ExtensionCommand::Send {
            method: method.into(),
            headers: vec![("X-A".into(), "b".into())],
            content_type: content_type.into(),
            body: body.to_vec(),
        },
    };
    assert_eq!(r.refused(send("INFO", "text/plain", b"hi")), OperationError::ExtensionNotSelected("sip"));
    r.p.select_extension(LINE, ExtensionVersion::NONE).unwrap();
    r.p.select_extension(LINE, ExtensionVersion(2)).unwrap();
    r.caller_sends("bob@10.0.0.2", "INFO", 4, body);
    assert_eq!(told(&r), 1);
    for wrong in [
        send("INVITE", "", b""),
        send("INFO", "", b"x"),
        send("INFO", "text/plain\r\nX: y", b"x"),
        send("INFO", "text/plain", &[0; 5_000]),
    ] {
        assert!(matches!(r.refused(wrong), OperationError::InvalidParameter(_)));
    }
    let (id, _) = r.ask(send("INFO", "text/plain", b"hello"));
    let info = r.last("INFO").unwrap();
    assert_eq!((info.body(), info.header(Name::new("X-A"))), (&b"hello"[..], Some("b")));
    r.reply("INFO", "488 Not Acceptable Here", "");
    let answer =
        ExtensionAnswer::Response { status: 488, reason: "Not Acceptable Here".into(), body: vec![] };
    assert_eq!(r.result(id), Some(Ok(Outcome::Extension(answer))));
    // A command about nothing, or about another line's call.
    let nothing = Operation::Extension { line: LINE, call: None, command: ExtensionCommand::Stream };
    assert!(matches!(r.refused(nothing), OperationError::InvalidParameter(_)));
}

const THEIRS: &str = "ab30317f1a784dc48ff824d0d3715d86";

#[test]
fn a_session_is_named_by_both_ends_on_all_further_messages() {
    let mut r = Rig::new(trunk(|_| {}));
    let (_, call) = r.make("600");
    let invite = r.last("INVITE").unwrap();
    let named = invite.header(Name::SessionId).expect("a Session-ID").to_owned();
    let own = named.split(';').next().unwrap().to_owned();
    assert!(named.ends_with(";remote=00000000000000000000000000000000"), "{named}");
    let number = r.info(call).physical;
    r.get(reply_with(&invite, "200 OK", &format!("Session-ID: {THEIRS};remote={own}\r\n"), SDP));
    r.ask(Operation::Hold { call });
    let both = format!("{own};remote={THEIRS}");
    assert_eq!(r.last("INVITE").unwrap().header(Name::SessionId), Some(both.as_str()));
    r.holds("recvonly");
    r.ask(Operation::drop(call));
    assert_eq!(r.last("BYE").unwrap().header(Name::SessionId), Some(both.as_str()));
    assert_eq!(r.info(call).physical, number);
}

#[test]
fn our_half_goes_along_although_the_other_side_has_none() {
    let mut r = Rig::new(trunk(|_| {}));
    let call = r.talking_to("600", "peer");
    let named = r.last("INVITE").unwrap().header(Name::SessionId).map(str::to_owned);
    r.ask(Operation::drop(call));
    assert_eq!(r.last("BYE").unwrap().header(Name::SessionId).map(str::to_owned), named);
}

#[test]
fn who_names_a_session_is_answered_with_our_half() {
    let mut r = Rig::new(trunk(|_| {}));
    let plain = r.offered("ann@10.0.0.2", "");
    assert_eq!(r.last("SIP/2.0 180").unwrap().header(Name::SessionId), None);
    let nil = "0".repeat(32);
    let call = r.offered("bob@10.0.0.2", &format!("Session-ID: {THEIRS};remote={nil}\r\n"));
    let ringing = r.last("SIP/2.0 180").unwrap();
    let named = ringing.header(Name::SessionId).expect("a Session-ID").to_owned();
    assert!(named.ends_with(&format!(";remote={THEIRS}")), "{named}");
    r.ask(Operation::answer(call));
    assert_eq!(r.last("SIP/2.0 200").unwrap().header(Name::SessionId), Some(named.as_str()));
    assert_ne!(r.info(plain).physical, r.info(call).physical);
}

#[test]
fn what_came_for_the_display_is_kept_and_a_recall_is_a_reminder() {
    let mut r = Rig::new(trunk(able));
    let call =
        r.offered("bob@10.0.0.2", "Subject: Your order\r\nAlert-Info: <urn:alert:service:recall:hold>\r\n");
    let info = r.info(call);
    assert_eq!((&*info.display, info.reason), ("Your order", Reason::Reminder));
}

#[test]
fn a_recall_is_a_reminder_although_a_transfer_led_to_the_orbit() {
    let mut r = Rig::new(account("10.0.0.2", false));
    let more = "Referred-By: <sip:line@10.0.0.2>\r\nAlert-Info: <urn:alert:service:recall:hold>\r\n";
    let call = r.offered("bob@10.0.0.2", more);
    assert_eq!(r.info(call).reason, Reason::Reminder);
}

#[test]
fn a_switch_that_calls_our_contact_by_its_name_called_the_lines_address() {
    let mut r = Rig::new(account("10.0.0.2", true));
    let contact = r.last("REGISTER").unwrap().contact().unwrap().uri().as_str().to_owned();
    let reg = r.last("REGISTER").unwrap();
    let accepted = reply(&reg, "200 OK", "")
        .replace("Contact: <sip:peer@10.0.0.2:5060>", &format!("Contact: <{contact}>;expires=300"));
    r.get(accepted);
    r.get(invitation("bob@10.0.0.2", "").replace("sip:line@10.0.0.1", &contact));
    let call = r.last_new().expect("a call was announced");
    assert_eq!(&*r.info(call).called.address, "sip:line@pbx.test");
}
