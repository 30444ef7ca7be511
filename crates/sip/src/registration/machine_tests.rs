use super::*;
use crate::auth::Refused;
use std::time::Duration;

const CHALLENGE: &str = "Digest realm=\"a\", nonce=\"n1\", qop=\"auth\"";

struct Bench {
    machine: Registration,
    now: Time,
    entropy: Entropy,
}

impl Bench {
    fn new() -> Self {
        Self::with(Config::new("sip:example.com", "call"))
    }

    fn with(config: Config) -> Self {
        let credentials = Credentials { username: "bob".into(), password: "x".into(), realm: None };
        Self {
            machine: Registration::new(config, Some(credentials)),
            now: Time::from_millis(1_000),
            entropy: Entropy::from_number(1),
        }
    }

    fn give(&mut self, input: Input<'_>) -> Vec<Output> {
        self.machine.handle(self.now, input, &mut self.entropy);
        std::iter::from_fn(|| self.machine.poll()).collect()
    }

    fn answer(&mut self, change: impl FnOnce(&mut Answer<'static>)) -> Vec<Output> {
        let mut answer = Answer::new(self.machine.cseq, 200);
        change(&mut answer);
        self.give(Input::Response(&answer))
    }

    fn status(&mut self, status: u16) -> Vec<Output> {
        self.answer(|a| a.status = status)
    }

    fn challenge(&mut self) -> Vec<Output> {
        self.answer(|a| {
            a.status = 401;
            a.challenges = vec![(Place::Server, CHALLENGE)];
        })
    }

    fn timer(&mut self) -> Vec<Output> {
        self.now = self.machine.timeout().unwrap_or(self.now + Duration::from_secs(1));
        self.give(Input::Timer)
    }

    fn asked(outputs: &[Output]) -> Vec<u32> {
        outputs
            .iter()
            .filter_map(|o| match o {
                Output::SendRegister(r) => Some(r.expires),
                _ => None,
            })
            .collect()
    }
}

fn short(output: &Output) -> String {
    match output {
        Output::SendRegister(Register { expires: 0, .. }) => "unreg".into(),
        Output::SendRegister(_) => "reg".into(),
        Output::Registered { .. } => "up".into(),
        Output::Observed(_) => "seen".into(),
        Output::Failed { bound_until: None, .. } => "failed".into(),
        Output::Failed { bound_until: Some(_), .. } => "failed(bound)".into(),
        Output::Lapsed => "lapsed".into(),
        Output::Unregistered => "end".into(),
    }
}

/// A machine in each state, with its data in each shape that matters.
fn states() -> Vec<(&'static str, Bench)> {
    let reach = |steps: &[fn(&mut Bench)]| {
        let mut bench = Bench::new();
        for step in steps {
            step(&mut bench);
        }
        bench
    };
    let start: fn(&mut Bench) = |b| drop(b.give(Input::Start));
    let stop: fn(&mut Bench) = |b| drop(b.give(Input::Stop));
    let ok: fn(&mut Bench) = |b| drop(b.status(200));
    let unavailable: fn(&mut Bench) = |b| drop(b.status(503));
    let timer: fn(&mut Bench) = |b| drop(b.timer());
    vec![
        ("Idle", reach(&[])),
        ("Registering", reach(&[start])),
        ("Registered", reach(&[start, ok])),
        ("Refreshing", reach(&[start, ok, timer])),
        ("Waiting", reach(&[start, unavailable])),
        ("Waiting, bound", reach(&[start, ok, timer, unavailable])),
        ("Stopping", reach(&[start, stop])),
        ("Stopping, bound", reach(&[start, ok, timer, stop])),
        ("Unregistering", reach(&[start, ok, stop])),
        ("Unregistering, restart", reach(&[start, ok, stop, start])),
    ]
}

type Give = fn(&mut Bench) -> Vec<Output>;

fn inputs() -> Vec<(&'static str, Give)> {
    vec![
        ("Start", |b| b.give(Input::Start)),
        ("Stop", |b| b.give(Input::Stop)),
        ("ContactChanged", |b| b.give(Input::ContactChanged)),
        ("200", |b| b.status(200)),
        ("401", Bench::challenge),
        ("403", |b| b.status(403)),
        ("503", |b| b.status(503)),
        ("180", |b| b.status(180)),
        ("TimedOut", |b| b.give(Input::TimedOut { cseq: b.machine.cseq })),
        ("TransportFailed", |b| b.give(Input::TransportFailed { cseq: b.machine.cseq })),
        ("FlowClosed", |b| b.give(Input::FlowClosed)),
        ("Timer", Bench::timer),
        ("late TimedOut", |b| b.give(Input::TimedOut { cseq: b.machine.cseq.wrapping_sub(1) })),
    ]
}

#[test]
fn every_state_takes_every_input() {
    let mut table = String::new();
    for (name, bench) in states() {
        table += &format!("{name}\n");
        for (input, give) in inputs() {
            let mut bench =
                Bench { machine: bench.machine.clone(), now: bench.now, entropy: bench.entropy.clone() };
            let outputs: Vec<_> = give(&mut bench).iter().map(short).collect();
            let after = bench.machine.state();
            table += &format!("  {input}: {after:?} {}\n", outputs.join(" ")).replace(" \n", "\n");
        }
    }
    assert_eq!(table, include_str!("machine_table.txt"), "\n{table}");
}

#[test]
fn refreshes_come_before_the_end_and_keep_the_beginning() {
    let mut bench = Bench::new();
    bench.give(Input::Start);
    let since = bench.now;
    bench.answer(|a| a.granted = Granted::For(120));
    for cseq in 2..50 {
        let until = bench.machine.bound_until().unwrap();
        let outputs = bench.timer();
        assert!(bench.now < until);
        assert!(matches!(&outputs[..], [Output::SendRegister(r)] if r.cseq == cseq && r.expires == 600));
        bench.now = bench.now + Duration::from_secs(20);
        let outputs = bench.answer(|a| a.granted = Granted::For(120));
        assert_eq!(outputs, [Output::Registered { expires: 120, since }]);
    }
}

#[test]
fn a_wrong_password_is_told_and_not_hammered() {
    let mut bench = Bench::new();
    bench.give(Input::Start);
    bench.challenge();
    let outputs = bench.challenge();
    let [Output::Failed { cause, retry_at, bound_until: None }] = outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(cause, Cause::Credentials(Refused::BadCredentials));
    assert!(retry_at >= bench.now + Duration::from_secs(600));
}

#[test]
fn an_account_without_password_says_so() {
    let mut bench = Bench::new();
    bench.machine = Registration::new(bench.machine.config.clone(), None);
    bench.give(Input::Start);
    assert!(matches!(bench.challenge()[..], [Output::Failed { cause: Cause::NoCredentials, .. }]));
}

#[test]
fn a_longer_lifetime_is_asked_for_once_and_kept() {
    let too_brief = |least| {
        move |a: &mut Answer<'static>| {
            a.status = 423;
            a.min_expires = least;
        }
    };
    let mut bench = Bench::new();
    bench.give(Input::Start);
    assert_eq!(Bench::asked(&bench.answer(too_brief(Some(1_800)))), [1_800]);
    bench.status(200);
    assert_eq!(Bench::asked(&bench.timer()), [1_800]);
    for least in [None, Some(10), Some(1_800), Some(7_201), Some(u32::MAX)] {
        let mut bench =
            Bench { machine: bench.machine.clone(), now: bench.now, entropy: bench.entropy.clone() };
        let outputs = bench.answer(too_brief(least));
        assert!(matches!(outputs[..], [Output::Failed { cause: Cause::Rejected(423), .. }]), "{least:?}");
    }
    assert_eq!(Bench::asked(&bench.answer(too_brief(Some(3_600)))), [3_600]);
    assert!(matches!(bench.answer(too_brief(Some(7_200)))[..], [Output::Failed { .. }]));
}

#[test]
fn failures_back_off_and_success_forgives() {
    let mut bench = Bench::new();
    bench.give(Input::Start);
    let mut waits = Vec::new();
    for _ in 0..10 {
        bench.give(Input::TimedOut { cseq: bench.machine.cseq });
        waits.push((bench.machine.timeout().unwrap() - bench.now).as_secs());
        bench.timer();
    }
    for (wait, whole) in waits.iter().zip([30, 60, 120, 240, 480, 960, 1_800, 1_800]) {
        assert!((whole / 2..=whole).contains(wait), "{waits:?}");
    }
    bench.status(200);
    bench.timer();
    bench.status(503);
    assert!((bench.machine.timeout().unwrap() - bench.now).as_secs() <= 30);
}

#[test]
fn retry_after_is_obeyed() {
    let mut bench = Bench::new();
    bench.give(Input::Start);
    bench.answer(|a| {
        a.status = 503;
        a.retry_after = Some(300);
    });
    assert_eq!(bench.machine.timeout(), Some(bench.now + Duration::from_secs(300)));
}

#[test]
fn a_200_without_our_contact_is_no_registration() {
    for granted in [Granted::No, Granted::For(0)] {
        let mut bench = Bench::new();
        bench.give(Input::Start);
        let outputs = bench.answer(|a| a.granted = granted);
        assert!(matches!(outputs[..], [Output::Failed { cause: Cause::NotBound, .. }]));
    }
}

#[test]
fn a_contact_that_changes_under_way_is_registered_afterwards() {
    let mut bench = Bench::new();
    bench.give(Input::Start);
    bench.give(Input::ContactChanged);
    let outputs = bench.status(200);
    assert_eq!(outputs.iter().map(short).collect::<Vec<_>>(), ["up", "reg"]);
    assert_eq!(bench.status(200).iter().map(short).collect::<Vec<_>>(), ["up"]);
}

#[test]
fn our_address_is_told_when_it_changes() {
    let mut bench = Bench::new();
    bench.give(Input::Start);
    let seen = |port| move |a: &mut Answer<'static>| a.observed = Some(([192, 0, 2, 1], port).into());
    let first = bench.answer(seen(1_000));
    assert_eq!(first.iter().map(short).collect::<Vec<_>>(), ["seen", "up"]);
    bench.timer();
    assert_eq!(bench.answer(seen(1_000)).iter().map(short).collect::<Vec<_>>(), ["up"]);
    bench.timer();
    assert_eq!(bench.answer(seen(1_001)).iter().map(short).collect::<Vec<_>>(), ["seen", "up"]);
}

#[test]
fn a_lost_flow_is_replaced_soon_and_then_patiently() {
    let mut bench = Bench::new();
    bench.give(Input::Start);
    bench.status(200);
    bench.give(Input::FlowClosed);
    assert!((bench.machine.timeout().unwrap() - bench.now).as_secs() <= 2);
    bench.timer();
    bench.give(Input::TransportFailed { cseq: bench.machine.cseq });
    assert!((bench.machine.timeout().unwrap() - bench.now).as_secs() >= 15);
}

#[test]
fn stopping_ends_in_time_whatever_the_registrar_does() {
    for (name, mut bench) in states() {
        bench.give(Input::Stop);
        let start = bench.now;
        while bench.machine.timeout().is_some() {
            bench.challenge();
            bench.timer();
        }
        assert_eq!(bench.machine.state(), StateName::Idle, "{name}");
        assert!(bench.now.since(start) <= Duration::from_secs(6), "{name}");
    }
}

#[test]
fn a_huge_lifetime_or_wait_does_not_overflow() {
    let mut bench = Bench::new();
    bench.now = Time::from_nanos(u64::MAX - 5);
    bench.give(Input::Start);
    bench.answer(|a| a.granted = Granted::For(u32::MAX));
    bench.timer();
    bench.answer(|a| {
        a.status = 503;
        a.retry_after = Some(u32::MAX);
    });
}

#[test]
fn nothing_secret_prints() {
    let mut bench = Bench::with(Config::new("sip:a", "c"));
    bench.machine.client =
        Some(Client::new(Credentials { username: "bob".into(), password: "zanzibar".into(), realm: None }));
    bench.give(Input::Start);
    let outputs = bench.challenge();
    assert!(!format!("{:?}{outputs:?}", bench.machine).contains("zanzibar"));
    assert!(!format!("{outputs:?}").contains("response"));
}

#[test]
fn whatever_happens_one_register_is_out_at_a_time_and_numbers_grow() {
    for seed in 0..200 {
        let mut chance = Entropy::from_number(seed);
        let mut bench = Bench::new();
        let inputs = inputs();
        let (mut outstanding, mut last) = (None, 0);
        for _ in 0..300 {
            let (name, give) = inputs[chance.below(inputs.len() as u64) as usize];
            let answered = outstanding.is_some()
                && matches!(
                    name,
                    "200" | "401" | "403" | "503" | "TimedOut" | "TransportFailed" | "FlowClosed"
                );
            // The limit on the end's time is the only other way out of waiting for an answer.
            let overdue = name == "Timer"
                && matches!(bench.machine.state(), StateName::Stopping | StateName::Unregistering);
            if answered || overdue {
                outstanding = None;
            }
            for output in give(&mut bench) {
                if let Output::SendRegister(register) = output {
                    assert_eq!(outstanding, None, "seed {seed}: {name}");
                    assert!(register.cseq > last);
                    last = register.cseq;
                    outstanding = Some(register.cseq);
                }
            }
            assert_eq!(bench.machine.outstanding().is_some(), outstanding.is_some(), "seed {seed}: {name}");
            if let Some(at) = bench.machine.timeout() {
                assert!(at > bench.now, "seed {seed}: {name} leaves a timer in the past");
            }
        }
    }
}
