use super::*;
use std::time::Duration;

const START: Time = Time::from_millis(1_000);
const ACTIVE: SubscriberInput<'static> =
    SubscriberInput::Notify(SubscriptionState::Active { expires: Some(600) });
const PENDING: SubscriberInput<'static> =
    SubscriberInput::Notify(SubscriptionState::Pending { expires: None });

const fn response(status: u16) -> SubscriberInput<'static> {
    SubscriberInput::Response(Answer { status, expires: None, min_expires: None, retry_after: None })
}

const fn ended(reason: EndReason) -> SubscriberInput<'static> {
    SubscriberInput::Notify(SubscriptionState::ended(reason))
}

fn give(
    subscriber: &mut Subscriber,
    now: Time,
    input: SubscriberInput<'_>,
    entropy: &mut Entropy,
) -> Vec<SubscriberOutput> {
    subscriber.handle(now, input, entropy);
    std::iter::from_fn(|| subscriber.poll()).collect()
}

fn reach(inputs: &[SubscriberInput<'static>]) -> Subscriber {
    let mut entropy = Entropy::from_number(3);
    let mut subscriber = Subscriber::new(Policy::default());
    assert_eq!(subscriber.poll(), Some(SubscriberOutput::Subscribe { expires: 3_600, path: Path::New }));
    for input in inputs {
        give(&mut subscriber, START, *input, &mut entropy);
    }
    subscriber
}

fn written(outputs: &[SubscriberOutput]) -> String {
    let one = |output: &SubscriberOutput| match output {
        SubscriberOutput::Subscribe { expires, path } => format!("SUBSCRIBE({expires}, {path:?})"),
        SubscriberOutput::Report(Report::Notified { pending: false }) => "notified".into(),
        SubscriberOutput::Report(Report::Notified { pending: true }) => "pending".into(),
        SubscriberOutput::Report(Report::Interrupted { cause, retry_at }) => {
            let when = if *retry_at <= START { "now" } else { "later" };
            format!("[{cause:?}, again {when}]")
        }
        SubscriberOutput::Report(Report::Ended(cause)) => format!("[{cause:?}, over]"),
    };
    outputs.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_state_takes_every_input() {
    use SubscriberInput::{NoResponse, Refresh, Stop, Timer, TryNow};
    let states = [
        ("Subscribing", reach(&[])),
        ("Accepted", reach(&[response(200)])),
        ("Notified", reach(&[ACTIVE])),
        ("Active", reach(&[response(200), ACTIVE])),
        ("Refreshing", reach(&[response(200), ACTIVE, Refresh])),
        ("Waiting", reach(&[response(503)])),
        ("Stopping", reach(&[Stop])),
        ("Unsubscribing", reach(&[response(200), ACTIVE, Stop])),
        ("Over", reach(&[response(403)])),
    ];
    let brief = Answer { status: 423, min_expires: Some(7_200), ..Answer::default() };
    let inputs = [
        ("100", response(100)),
        ("200", response(200)),
        ("423 min 7200", SubscriberInput::Response(brief)),
        ("423", response(423)),
        ("403", response(403)),
        ("481", response(481)),
        ("489", response(489)),
        ("503", response(503)),
        ("NoResponse", NoResponse),
        ("active", ACTIVE),
        ("pending", PENDING),
        ("deactivated", ended(EndReason::Deactivated)),
        ("probation", ended(EndReason::Probation)),
        ("rejected", ended(EndReason::Rejected)),
        ("timeout", ended(EndReason::Timeout)),
        ("giveup", ended(EndReason::GiveUp)),
        ("noresource", ended(EndReason::NoResource)),
        ("invariant", ended(EndReason::Invariant)),
        ("terminated", ended(EndReason::Unspecified)),
        ("Refresh", Refresh),
        ("TryNow", TryNow),
        ("Stop", Stop),
        ("Timer", Timer),
        ("Timer, too soon", Timer),
    ];
    let mut table = String::new();
    for (name, subscriber) in states {
        table += &format!("{name}\n");
        for (input_name, input) in inputs {
            let mut subscriber = subscriber.clone();
            let mut entropy = Entropy::from_number(3);
            let due = subscriber.timeout().filter(|_| input_name == "Timer");
            let outputs = give(&mut subscriber, due.unwrap_or(START), input, &mut entropy);
            let state = format!("{:?}", subscriber.state);
            let state = state.split(' ').next().unwrap_or("");
            let line = format!("  {input_name}: {state} {}", written(&outputs));
            table += &format!("{}\n", line.trim_end());
            let reports = outputs.iter().filter(|o| matches!(o, SubscriberOutput::Report(_))).count();
            assert!(reports <= 1, "{line}");
            // Whatever stands or waits has an end.
            let waits = matches!(
                subscriber.state,
                State::Accepted { .. }
                    | State::Active { .. }
                    | State::Waiting { .. }
                    | State::Unsubscribing { .. }
            );
            assert_eq!(waits, subscriber.timeout().is_some(), "{line}");
        }
    }
    assert_eq!(table, include_str!("subscriber_table.txt"), "\n{table}");
}

#[test]
fn a_subscription_lives_by_refreshes_and_ends_with_a_last_notify() {
    let mut entropy = Entropy::from_number(1);
    let mut subscriber = reach(&[]);
    let granted = SubscriberInput::Response(Answer { status: 200, expires: Some(600), ..Answer::default() });
    give(&mut subscriber, START, granted, &mut entropy);
    let outputs = give(&mut subscriber, START, PENDING, &mut entropy);
    assert_eq!(written(&outputs), "pending");
    for _ in 0..10 {
        let refresh_at = subscriber.timeout().unwrap();
        let outputs = give(&mut subscriber, refresh_at, SubscriberInput::Timer, &mut entropy);
        assert_eq!(written(&outputs), "SUBSCRIBE(3600, Within)");
        assert_eq!(give(&mut subscriber, refresh_at, granted, &mut entropy), []);
        let next = subscriber.timeout().unwrap().since(refresh_at).as_secs();
        assert!((500..=540).contains(&next), "{next}");
        assert_eq!(written(&give(&mut subscriber, refresh_at, ACTIVE, &mut entropy)), "notified");
    }
    let outputs = give(&mut subscriber, START, SubscriberInput::Stop, &mut entropy);
    assert_eq!(written(&outputs), "SUBSCRIBE(0, Within)");
    assert_eq!(give(&mut subscriber, START, granted, &mut entropy), []);
    let outputs = give(&mut subscriber, START, ended(EndReason::Timeout), &mut entropy);
    assert_eq!(written(&outputs), "[Stopped, over]");
    assert!(subscriber.is_over());
}

#[test]
fn a_notifier_that_ends_every_subscription_does_not_keep_us_busy() {
    let mut entropy = Entropy::from_number(1);
    let (mut subscriber, mut now, mut sent) = (reach(&[]), START, 0);
    let end = START + Duration::from_secs(3_600);
    while now < end {
        sent += 1;
        give(&mut subscriber, now, response(200), &mut entropy);
        give(&mut subscriber, now, ACTIVE, &mut entropy);
        let mut outputs = give(&mut subscriber, now, ended(EndReason::Deactivated), &mut entropy);
        if !outputs.iter().any(|o| matches!(o, SubscriberOutput::Subscribe { .. })) {
            now = subscriber.timeout().unwrap();
            outputs = give(&mut subscriber, now, SubscriberInput::Timer, &mut entropy);
        }
        assert!(outputs.iter().any(|o| matches!(o, SubscriberOutput::Subscribe { path: Path::New, .. })));
    }
    assert!(sent < 15, "{sent}");
}

#[test]
fn a_refresh_that_fails_for_now_leaves_the_subscription_until_it_runs_out() {
    let mut entropy = Entropy::from_number(1);
    let mut subscriber = reach(&[response(200), PENDING]);
    let until = START + Duration::from_secs(3_600);
    let mut now = subscriber.timeout().unwrap();
    let mut tries = 0;
    loop {
        let outputs = written(&give(&mut subscriber, now, SubscriberInput::Timer, &mut entropy));
        if outputs != "SUBSCRIBE(3600, Within)" {
            assert_eq!(outputs, "[Expired, again later]");
            break;
        }
        tries += 1;
        assert!(now < until);
        assert_eq!(give(&mut subscriber, now, SubscriberInput::NoResponse, &mut entropy), []);
        now = subscriber.timeout().unwrap();
    }
    assert_eq!(now, until);
    assert!((2..8).contains(&tries), "{tries}");
}

#[test]
fn a_brief_lifetime_is_lengthened_once() {
    let mut entropy = Entropy::from_number(1);
    let mut subscriber = reach(&[]);
    let brief = |min_expires| {
        SubscriberInput::Response(Answer { status: 423, min_expires: Some(min_expires), ..Answer::default() })
    };
    let outputs = give(&mut subscriber, START, brief(7_200), &mut entropy);
    assert_eq!(written(&outputs), "SUBSCRIBE(7200, New)");
    let outputs = give(&mut subscriber, START, brief(14_400), &mut entropy);
    assert_eq!(written(&outputs), "[Refused(423), over]");
    let outputs = give(&mut reach(&[]), START, brief(u32::MAX), &mut entropy);
    assert_eq!(written(&outputs), "[Refused(423), over]");
}
