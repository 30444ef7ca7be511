//! Camping on: calls that wait for their party, message by message with a scripted switch.

mod common;

use common::*;
use hookswitch_media::control::{Command, Event as MediaEvent, Statistics};
use hookswitch_provider::Profile;
use hookswitch_sip::headers::SessionId;
use hookswitch_sip::message::{Message, Name};
use hookswitch_spi::*;
use std::time::Duration;

const IN_CALL: &str = "<dialog id=\"d1\"><state>confirmed</state></dialog>";
const DIALOGS: &str = "application/dialog-info+xml";

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn able(profile: &mut Profile) {
    profile.keep_alive = 0;
    profile.dialog_events = true;
}

fn rig() -> Rig {
    let mut r = Rig::new(trunk(able));
    r.p.detect_status(LINE, Set::ALL).unwrap();
    r
}

const fn camp_on(call: CallId) -> Operation {
    Operation::CompleteCall { call, mode: CompletionMode::CampOn }
}

/// What the switch says of a party, each time with the next version.
struct News {
    subscribe: Message,
    version: u64,
}

impl News {
    fn tell(&mut self, r: &mut Rig, dialogs: &str) {
        let text = dialog_info(self.version, dialogs);
        self.say(r, "active;expires=3600", &text);
    }

    fn say(&mut self, r: &mut Rig, state: &str, text: &str) {
        self.version += 1;
        let n = self.version + 1_000 * r.sent.len() as u64;
        r.get(notify_of(&self.subscribe, n, state, DIALOGS, text));
    }
}

impl Rig {
    /// A call that found its party busy.
    fn busy(&mut self) -> CallId {
        let (_, call) = self.make("door");
        self.reply("INVITE", "100 Trying", "");
        self.reply("INVITE", "486 Busy Here", "");
        assert_eq!(self.state(call), StateKind::Busy);
        call
    }

    /// The switch lets the party of the last SUBSCRIBE be watched.
    fn watched(&mut self) -> News {
        let subscribe = self.last("SUBSCRIBE").expect("a SUBSCRIBE");
        let ok = reply(&subscribe, "200 OK", "").replace(";tag=peer", ";tag=watch");
        self.get(ok.replacen("Contact:", "Expires: 3600\r\nContact:", 1));
        News { subscribe, version: 0 }
    }

    /// It waits, and its party is in a call.
    fn camps(&mut self, call: CallId) -> (CompletionId, News) {
        let (id, _) = self.ask(camp_on(call));
        assert_eq!(self.result(id), None, "nothing is known of the party yet");
        let mut news = self.watched();
        news.tell(self, IN_CALL);
        let Some(Ok(Outcome::Completion(completion))) = self.result(id) else {
            panic!("camping on brought {:?}", self.result(id));
        };
        (completion, news)
    }

    fn waiting(&mut self) -> (CallId, CompletionId, News) {
        let call = self.busy();
        let (completion, news) = self.camps(call);
        assert_eq!(self.state(call), StateKind::Proceeding);
        (call, completion, news)
    }

    fn completions(&self) -> u32 {
        self.p.line_status(LINE).unwrap().completions
    }

    fn told_to_end(&self, id: CompletionId) -> usize {
        let told = |event: &&ProviderEvent| matches!(event, ProviderEvent::CompletionEnded { completion, .. } if *completion == id);
        self.events.iter().filter(told).count()
    }

    /// Until so many INVITEs were sent, and how long it took.
    fn until_invites(&mut self, wanted: usize, most: Duration) -> Option<Duration> {
        let began = self.now;
        while self.count("INVITE") < wanted {
            let next = self.p.next_timeout().filter(|at| *at <= began + most)?;
            self.now = self.now.max(next);
            self.p.timeout(self.now);
            self.drain();
        }
        Some(self.now.since(began))
    }

    fn nothing_is_left(&mut self, call: CallId) {
        self.p.close_call(self.now, call);
        self.drain();
        // The subscription ends with its last exchange.
        if let Some(subscribe) = self.last("SUBSCRIBE") {
            self.get(reply(&subscribe, "200 OK", ""));
        }
        self.run(secs(120));
        let alive = self.p.alive();
        let left = (alive.calls, alive.sessions, alive.transactions, alive.timers, alive.subscriptions);
        assert_eq!(left, (0, 0, 0, 0, 0), "{alive:?}");
    }
}

#[test]
fn a_busy_call_waits_and_goes_out_when_its_party_is_free() {
    let mut r = rig();
    let options = CallOptions { display_name: Some("Ann".into()), ..CallOptions::default() };
    let (_, call) = r.make_with("door", options);
    r.reply("INVITE", "100 Trying", "");
    r.reply("INVITE", "486 Busy Here", "");
    let (first, before) = (r.last("INVITE").unwrap(), r.info(call));
    let (id, _) = r.ask(camp_on(call));
    let mut news = r.watched();
    news.tell(&mut r, IN_CALL);
    let completed = r.events.iter().position(
        |event| matches!(event, ProviderEvent::Completed { request, result: Ok(Outcome::Completion(_)) } if *request == id),
    );
    let waits = r.events.iter().rposition(|event| matches!(event, ProviderEvent::CallState { call: of, state: CallState::Proceeding, .. } if *of == call));
    assert!(completed.is_some() && completed < waits, "{completed:?} before {waits:?}");
    assert_eq!((r.completions(), r.count("INVITE")), (1, 1));
    assert!(r.info(call).completion.is_some());
    r.run(secs(600));
    assert_eq!((r.state(call), r.count("INVITE")), (StateKind::Proceeding, 1), "the party is in a call");
    news.tell(&mut r, "");
    assert_eq!(r.count("INVITE"), 2, "the party is free: the call goes out at once");
    let second = r.last("INVITE").unwrap();
    assert_ne!(second.call_id(), first.call_id());
    assert_eq!(second.request_uri(), first.request_uri());
    assert!(second.header(Name::From).unwrap().contains("Ann"), "it is sent as it was");
    let number = |message: &Message| {
        let session = message.header(Name::SessionId).and_then(SessionId::parse).unwrap();
        ((session.local >> 64) as u64 ^ session.local as u64) & !(0xf000 | 0b11 << 62)
    };
    assert_eq!(number(&first), number(&second), "it is the same physical call");
    r.reply("INVITE", "180 Ringing", "");
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(
        r.states(call),
        [
            StateKind::Proceeding,
            StateKind::Busy,
            StateKind::Proceeding,
            StateKind::Ringback,
            StateKind::Connected
        ]
    );
    let after = r.info(call);
    assert_eq!(after.physical, before.physical);
    assert_eq!(&*after.sip_call_id, second.call_id());
    assert_eq!((r.completions(), r.last_new()), (0, None), "nobody is offered anything");
    assert_eq!(r.last("SUBSCRIBE").unwrap().expires(), Some(0), "the party is watched no longer");
    r.run(secs(4_000));
    assert_eq!(r.state(call), StateKind::Connected);
    r.ask(Operation::drop(call));
    r.reply("BYE", "200 OK", "");
    r.nothing_is_left(call);
}

#[test]
fn a_party_that_is_free_already_is_called_at_once() {
    let mut r = rig();
    let call = r.busy();
    let (id, _) = r.ask(camp_on(call));
    let mut news = r.watched();
    news.tell(&mut r, "");
    assert!(matches!(r.result(id), Some(Ok(Outcome::Completion(_)))));
    assert_eq!((r.state(call), r.count("INVITE")), (StateKind::Proceeding, 2));
}

#[test]
fn busy_again_it_waits_longer_each_time_and_not_for_ever() {
    let mut r = rig();
    let (call, completion, mut news) = r.waiting();
    news.tell(&mut r, "");
    let mut rest = secs(5);
    for sent in 2..11 {
        assert_eq!(r.count("INVITE"), sent);
        r.reply("INVITE", "180 Ringing", "");
        assert_eq!(r.state(call), StateKind::Ringback);
        r.reply("INVITE", "486 Busy Here", "");
        assert_eq!((r.state(call), r.completions()), (StateKind::Proceeding, 1));
        let rested = r.until_invites(sent + 1, secs(1_000)).expect("it goes out again");
        assert!(rested >= rest && rested <= rest.mul_f64(1.5), "{rested:?} after try {sent}");
        rest = (rest * 2).min(secs(300));
    }
    r.reply("INVITE", "486 Busy Here", "");
    assert_eq!((r.state(call), r.told_to_end(completion)), (StateKind::Busy, 1), "that was the tenth time");
    assert_eq!(r.completions(), 0);
    r.run(secs(11));
    assert_eq!(r.end(call).map(|end| (end.mode, end.status)), Some((DisconnectMode::Busy, Some(486))));
    assert_eq!(r.count("INVITE"), 11);
    r.nothing_is_left(call);
}

#[test]
fn a_party_that_was_seen_in_a_call_is_called_sooner() {
    let mut r = rig();
    let (_, _, mut news) = r.waiting();
    news.tell(&mut r, "");
    for sent in 2..6 {
        r.reply("INVITE", "486 Busy Here", "");
        assert!(r.until_invites(sent + 1, secs(1_000)).is_some());
    }
    r.reply("INVITE", "486 Busy Here", "");
    // It would rest for more than a minute; but whoever kept the party busy is seen to hang up.
    r.run(secs(1));
    news.tell(&mut r, IN_CALL);
    r.run(secs(10));
    let before = r.count("INVITE");
    news.tell(&mut r, "");
    assert_eq!(r.count("INVITE"), before + 1);
}

#[test]
fn whatever_else_the_party_says_ends_the_call() {
    for (says, mode) in [
        ("603 Decline", DisconnectMode::Reject),
        ("404 Not Found", DisconnectMode::BadAddress),
        ("480 Temporarily Unavailable", DisconnectMode::Unreachable),
        ("503 Service Unavailable", DisconnectMode::Congestion),
    ] {
        let mut r = rig();
        let (call, completion, mut news) = r.waiting();
        news.tell(&mut r, "");
        r.reply("INVITE", says, "");
        assert_eq!(r.end(call).map(|end| end.mode), Some(mode), "{says}");
        assert_eq!((r.completions(), r.told_to_end(completion)), (0, 0), "{says}");
        r.nothing_is_left(call);
    }
}

#[test]
fn nobody_answers_in_time_when_it_goes_out() {
    let mut r = rig();
    let options = CallOptions { no_answer_after: Some(secs(20)), ..CallOptions::default() };
    let (_, call) = r.make_with("door", options);
    r.reply("INVITE", "100 Trying", "");
    r.reply("INVITE", "486 Busy Here", "");
    let (_, mut news) = r.camps(call);
    r.run(secs(100));
    assert_eq!(r.state(call), StateKind::Proceeding, "it may wait for longer than it may ring");
    news.tell(&mut r, "");
    r.reply("INVITE", "180 Ringing", "");
    r.run(secs(21));
    r.reply("CANCEL", "200 OK", "");
    r.reply("INVITE", "487 Request Terminated", "");
    assert_eq!(r.end(call).map(|end| end.mode), Some(DisconnectMode::NoAnswer));
    assert_eq!(r.completions(), 0);
}

#[test]
fn a_party_that_does_not_answer_is_called_after_its_next_call() {
    let mut r = rig();
    let (_, call) = r.make("door");
    r.reply("INVITE", "180 Ringing", "");
    let ringing = r.last("INVITE").unwrap();
    let (id, _) = r.ask(camp_on(call));
    assert_eq!(r.count("CANCEL"), 0, "it rings until it can wait");
    let mut news = r.watched();
    news.tell(&mut r, "<dialog id=\"ours\"><state>early</state></dialog>");
    assert!(matches!(r.result(id), Some(Ok(Outcome::Completion(_)))));
    assert_eq!((r.state(call), r.count("CANCEL")), (StateKind::Proceeding, 1));
    r.reply("CANCEL", "200 OK", "");
    r.get(reply(&ringing, "487 Request Terminated", ""));
    news.tell(&mut r, "");
    r.run(secs(30));
    assert_eq!((r.state(call), r.count("INVITE")), (StateKind::Proceeding, 1), "it was free all along");
    news.tell(&mut r, IN_CALL);
    news.tell(&mut r, "");
    assert_eq!(r.count("INVITE"), 2);
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.state(call), StateKind::Connected);
}

#[test]
fn who_answers_while_it_is_arranged_is_talked_to() {
    for mode in [CompletionMode::CampOn, CompletionMode::CallBack] {
        let mut r = rig();
        let (_, call) = r.make("door");
        r.reply("INVITE", "180 Ringing", "");
        let (id, _) = r.ask(Operation::CompleteCall { call, mode });
        r.reply("INVITE", "200 OK", SDP);
        let mut news = r.watched();
        news.tell(&mut r, IN_CALL);
        let refused = r.result(id);
        assert!(
            matches!(
                refused,
                Some(Err(OperationError::InvalidCallState { state: StateKind::Connected, .. }))
            ),
            "{mode:?}: {refused:?}"
        );
        assert_eq!((r.state(call), r.completions()), (StateKind::Connected, 0), "{mode:?}");
    }
}

#[test]
fn calls_for_one_party_go_out_one_after_another() {
    let mut r = rig();
    let (first, _, mut one) = r.waiting();
    let (second, _, mut two) = r.waiting();
    let before = r.count("INVITE");
    // The news reaches the second one first.
    two.tell(&mut r, "");
    assert_eq!(r.count("INVITE"), before, "it is not its turn");
    one.tell(&mut r, "");
    assert_eq!(r.count("INVITE"), before + 1);
    r.reply("INVITE", "180 Ringing", "");
    assert_eq!((r.state(first), r.state(second)), (StateKind::Ringback, StateKind::Proceeding));
    r.run(secs(60));
    assert_eq!(r.count("INVITE"), before + 1);
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.state(first), StateKind::Connected);
    two.tell(&mut r, IN_CALL);
    r.run(secs(60));
    assert_eq!(r.count("INVITE"), before + 1, "now the party talks to the first one");
    two.tell(&mut r, "");
    assert_eq!(r.count("INVITE"), before + 2);
    r.reply("INVITE", "200 OK", SDP);
    assert_eq!(r.state(second), StateKind::Connected);
}

#[test]
fn who_gives_up_lets_the_next_one_go_out() {
    let mut r = rig();
    let (first, _, _one) = r.waiting();
    let (second, _, mut two) = r.waiting();
    let before = r.count("INVITE");
    two.tell(&mut r, "");
    r.ask(Operation::drop(first));
    assert_eq!(r.count("INVITE"), before);
    assert!(r.until_invites(before + 1, secs(3)).is_some(), "it is its turn");
    assert_eq!(r.state(second), StateKind::Proceeding);
}

#[test]
fn it_ends_when_nobody_wants_it_any_more() {
    // Cancelled.
    let mut r = rig();
    let (call, completion, mut news) = r.waiting();
    let (id, _) = r.ask(Operation::UncompleteCall { line: LINE, completion });
    assert_eq!(r.result(id), Some(Ok(Outcome::Done)));
    let end = r.end(call).expect("the call has ended");
    assert_eq!((end.mode, end.by), (DisconnectMode::Cancelled, EndedBy::Us));
    assert_eq!((r.completions(), r.told_to_end(completion)), (0, 0));
    news.tell(&mut r, "");
    assert_eq!(r.count("INVITE"), 1);
    let again = r.refused(Operation::UncompleteCall { line: LINE, completion });
    assert_eq!(again, OperationError::NoSuchCompletion(completion));
    r.nothing_is_left(call);
    // Dropped.
    let mut r = rig();
    let (call, completion, _) = r.waiting();
    let (id, _) = r.ask(Operation::drop(call));
    assert_eq!((r.result(id), r.state(call)), (Some(Ok(Outcome::Done)), StateKind::Idle));
    assert_eq!((r.completions(), r.told_to_end(completion)), (0, 0));
    r.nothing_is_left(call);
    // Closed.
    let mut r = rig();
    let (call, _, _) = r.waiting();
    r.nothing_is_left(call);
    assert_eq!(r.completions(), 0);
    // Its line is closed, while it waits and while it is arranged.
    let mut r = rig();
    let (call, _, _) = r.waiting();
    let another = r.busy();
    let (id, _) = r.ask(camp_on(another));
    r.p.close_line(r.now, LINE);
    r.drain();
    assert_eq!(r.result(id), Some(Err(OperationError::Closed)));
    assert_eq!(r.p.call_state(call), None);
    r.run(secs(120));
    let alive = r.p.alive();
    assert_eq!((alive.calls, alive.timers, alive.subscriptions), (0, 0, 0), "{alive:?}");
}

#[test]
fn it_does_not_wait_for_ever_or_for_who_cannot_be_watched() {
    let mut r = rig();
    let (call, completion, _news) = r.waiting();
    for _ in 0..8 {
        r.run(secs(460));
        // The subscription is refreshed meanwhile.
        if let Some(subscribe) = r.last("SUBSCRIBE") {
            r.get(reply(&subscribe, "200 OK", "").replacen("Contact:", "Expires: 3600\r\nContact:", 1));
        }
    }
    assert_eq!(r.told_to_end(completion), 1);
    let end = r.end(call).expect("an hour is over");
    assert_eq!((end.mode, end.by), (DisconnectMode::Busy, EndedBy::Network));
    // The switch says that there is nobody any more.
    let mut r = rig();
    let (call, completion, mut news) = r.waiting();
    news.say(&mut r, "terminated;reason=noresource", "");
    assert_eq!(r.told_to_end(completion), 1);
    assert_eq!(r.end(call).map(|end| end.mode), Some(DisconnectMode::Busy));
    assert_eq!(r.completions(), 0);
    r.nothing_is_left(call);
}

#[test]
fn one_that_has_gone_out_goes_on_without_its_completion() {
    for lost in [true, false] {
        let mut r = rig();
        let (call, completion, mut news) = r.waiting();
        news.tell(&mut r, "");
        r.reply("INVITE", "180 Ringing", "");
        if lost {
            news.say(&mut r, "terminated;reason=noresource", "");
        } else {
            let (id, _) = r.ask(Operation::UncompleteCall { line: LINE, completion });
            assert_eq!(r.result(id), Some(Ok(Outcome::Done)));
        }
        assert_eq!((r.state(call), r.completions()), (StateKind::Ringback, 0));
        assert_eq!(r.told_to_end(completion), usize::from(lost));
        // It waits no more.
        r.reply("INVITE", "486 Busy Here", "");
        assert_eq!(r.state(call), StateKind::Busy);
        r.run(secs(11));
        assert_eq!(r.end(call).map(|end| end.mode), Some(DisconnectMode::Busy));
    }
}

#[test]
fn what_makes_no_sense_while_it_waits_is_an_invalid_state() {
    let mut r = rig();
    let (call, _, mut news) = r.waiting();
    let digits = GatherOptions { count: 1, terminators: String::new(), first_after: None, next_after: None };
    let senseless = [
        camp_on(call),
        Operation::CompleteCall { call, mode: CompletionMode::CallBack },
        Operation::GatherDigits { call, gather: digits },
        Operation::Record { call, path: None },
    ];
    let possible = r.p.call_status(call).unwrap().possible;
    for operation in senseless {
        assert!(!possible.contains(Feature::of(&operation)), "{operation:?}");
        let refused = r.refused(operation.clone());
        assert!(matches!(refused, OperationError::InvalidCallState { .. }), "{operation:?}: {refused:?}");
    }
    let (id, _) = r.ask(Operation::SetCallData { call, data: vec![1] });
    assert_eq!(r.result(id), Some(Ok(Outcome::Done)));
    news.tell(&mut r, "");
    r.reply("INVITE", "180 Ringing", "");
    let possible = r.p.call_status(call).unwrap().possible;
    assert!(possible.contains(Feature::GatherDigits) && !possible.contains(Feature::CompleteCall));
}

#[test]
fn a_call_that_has_ended_or_is_consulted_with_does_not_wait() {
    let mut r = rig();
    let call = r.busy();
    assert!(r.p.call_status(call).unwrap().possible.contains(Feature::CompleteCall));
    r.run(secs(11));
    assert_eq!(r.end(call).map(|end| end.mode), Some(DisconnectMode::Busy), "the busy tone is over");
    let refused = r.refused(camp_on(call));
    assert!(matches!(refused, OperationError::InvalidCallState { state: StateKind::Disconnected, .. }));
    // It can still be called back.
    r.ask(Operation::CompleteCall { call, mode: CompletionMode::CallBack });
    assert_eq!(r.count("SUBSCRIBE"), 1);
    // A party on hold is not made to wait for another that is busy.
    let held = r.talking_to("ann", "ann");
    let (_, consult) = r.ask(Operation::SetupTransfer { call: held, consult: ConsultOptions::to("door") });
    r.holds("recvonly");
    let consult = consult.unwrap();
    r.reply("INVITE", "180 Ringing", "");
    assert!(matches!(r.refused(camp_on(consult)), OperationError::InvalidParameter(_)));
    r.reply("INVITE", "486 Busy Here", "");
    assert_eq!(r.state(consult), StateKind::Disconnected, "at once");
}

#[test]
fn lines_without_dialog_events_do_not_camp_on() {
    let mut r = Rig::new(trunk(|profile| profile.keep_alive = 0));
    assert!(r.p.capabilities(LINE).unwrap().completion_modes.is_empty());
    let (_, call) = r.make("door");
    r.reply("INVITE", "180 Ringing", "");
    assert!(matches!(r.refused(camp_on(call)), OperationError::Unavailable(_)));
    r.reply("INVITE", "486 Busy Here", "");
    assert_eq!(r.state(call), StateKind::Disconnected, "nobody could make it wait");
    let mut r = rig();
    let modes = r.p.capabilities(LINE).unwrap().completion_modes;
    assert_eq!(modes, Set::of(&[CompletionMode::CampOn, CompletionMode::CallBack]));
    let call = r.busy();
    for mode in [CompletionMode::Intrude, CompletionMode::Message] {
        let refused = r.refused(Operation::CompleteCall { call, mode });
        assert!(matches!(refused, OperationError::Unavailable(_)), "{mode:?}: {refused:?}");
    }
}

#[test]
fn a_party_that_cannot_be_watched_leaves_the_call_as_it_was() {
    let mut r = rig();
    let call = r.busy();
    let (id, _) = r.ask(camp_on(call));
    // The busy tone lasts while the switch is asked.
    r.run(secs(25));
    assert_eq!(r.state(call), StateKind::Busy);
    let mut news = r.watched();
    news.say(&mut r, "active;expires=3600", "<dialog-info");
    assert!(matches!(r.result(id), Some(Err(OperationError::Failed(_)))), "{:?}", r.result(id));
    assert_eq!((r.state(call), r.completions()), (StateKind::Busy, 0));
    r.run(secs(11));
    assert_eq!(r.end(call).map(|end| end.mode), Some(DisconnectMode::Busy));
    r.nothing_is_left(call);
}

#[test]
fn the_audio_of_the_call_that_goes_out_is_its_own() {
    let mut r = rig();
    let (call, _, mut news) = r.waiting();
    news.tell(&mut r, "");
    let started = |r: &Rig| r.media.iter().filter(|c| matches!(c, Command::Start { .. })).count();
    assert_eq!(started(&r), 2);
    // Only now the media threads say that the first stream has stopped.
    let stream = r.media.iter().find_map(|command| match command {
        Command::Stop { stream } => Some(*stream),
        _ => None,
    });
    let stopped = MediaEvent::Stopped { stream: stream.unwrap(), statistics: Statistics::default() };
    r.p.media_event(r.now, stopped);
    r.reply("INVITE", "200 OK", SDP);
    assert!(r.media.iter().any(|command| matches!(command, Command::Configure { .. })));
    let before = r.media.len();
    r.ask(Operation::Play { call, source: AudioSource::Music });
    assert!(r.media[before..].iter().any(|command| matches!(command, Command::Send { .. })), "it runs");
}
