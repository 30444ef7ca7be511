//! The machine against a registrar that checks credentials, over messages as on the wire.

use super::*;
use crate::auth::{Account, Credentials, Place, Secret, Server, ServerConfig, Verdict};
use crate::message::{Limits, Message, Method, Name, Request, Response, Uri};
use hookswitch_machine::{Entropy, Time};
use std::time::Duration;

const CONTACT: &str = "sip:k7@192.0.2.1:5060";

fn request(register: &Register, call_id: &str) -> Message {
    let mut request = Request::new(Method::Register, "sip:example.com")
        .via("UDP", "192.0.2.1:5060", format_args!("z9hG4bK{}", register.cseq))
        .max_forwards(70)
        .header(Name::From, "<sip:bob@example.com>;tag=1")
        .header(Name::To, "<sip:bob@example.com>")
        .call_id(call_id)
        .cseq(register.cseq, Method::Register)
        .header(Name::Contact, format_args!("<{CONTACT}>"))
        .header(Name::Expires, register.expires);
    for (place, value) in &register.credentials {
        request = request.header(Name::new(place.credentials_header()), value);
    }
    Message::parse(request.finish(), &Limits::default()).unwrap()
}

fn registrar(server: &mut Server, now: Time, request: &Message) -> Message {
    let password = Secret::from("zanzibar");
    let values = request.headers(Name::Authorization);
    let verdict = server.check(now, request.method().as_str(), values, request.body(), |user, _| {
        (user == "bob").then_some(Account::Password(&password))
    });
    let stale = verdict == Verdict::Challenge { stale: true };
    let answer = match verdict {
        Verdict::Ok { .. } => {
            let bindings = format!(
                "<sip:other@192.0.2.8>;expires=5, <{CONTACT}>;expires={}",
                request.expires().unwrap()
            );
            Response::to(request, 200).to_tag("r").header(Name::Contact, bindings)
        }
        Verdict::Challenge { .. } | Verdict::BadCredentials { .. } => {
            let challenges: Vec<_> = server.challenges(now, stale).collect();
            challenges.iter().fold(Response::to(request, 401).to_tag("r"), |response, challenge| {
                response.header(Name::WwwAuthenticate, challenge)
            })
        }
        Verdict::Malformed(_) => Response::to(request, 400).to_tag("r"),
    };
    Message::parse(answer.finish(), &Limits::default()).unwrap()
}

/// Feeds the machine and answers what it sends, until it rests; the statuses it got, and what it told.
fn run(
    machine: &mut Registration,
    server: &mut Server,
    entropy: &mut Entropy,
    now: Time,
    input: Input<'_>,
) -> (Vec<u16>, Vec<Output>) {
    let (mut statuses, mut told) = (Vec::new(), Vec::new());
    machine.handle(now, input, entropy);
    while let Some(output) = machine.poll() {
        let Output::SendRegister(register) = output else {
            told.push(output);
            continue;
        };
        let response = registrar(server, now, &request(&register, &machine.config().call_id));
        let answer = Answer::read(&response, &Uri::parse(CONTACT).unwrap());
        statuses.push(answer.status);
        machine.handle(now, Input::Response(&answer), entropy);
    }
    (statuses, told)
}

#[test]
fn an_account_registers_refreshes_survives_a_restart_of_the_registrar_and_leaves() {
    let mut entropy = Entropy::from_number(1);
    let mut server = Server::new(ServerConfig::new("example.com", Place::Server), &mut entropy);
    let credentials = Credentials {
        username: "bob".into(),
        password: "zanzibar".into(),
        realm: Some("example.com".into()),
    };
    let mut machine = Registration::new(Config::new("sip:example.com", "c1"), Some(credentials));
    let now = Time::from_millis(5_000);
    let up = |since| vec![Output::Registered { expires: 600, since }];

    let got = run(&mut machine, &mut server, &mut entropy, now, Input::Start);
    assert_eq!(got, (vec![401, 200], up(now)));
    // The nonce has expired by the first refresh.
    let then = machine.timeout().unwrap();
    assert!(then.since(now) > Duration::from_secs(300));
    assert_eq!(run(&mut machine, &mut server, &mut entropy, then, Input::Timer), (vec![401, 200], up(now)));
    // Within its time it serves again.
    let soon = then + Duration::from_secs(10);
    let got = run(&mut machine, &mut server, &mut entropy, soon, Input::ContactChanged);
    assert_eq!(got, (vec![200], up(now)));
    let mut server = Server::new(ServerConfig::new("example.com", Place::Server), &mut entropy);
    let got = run(&mut machine, &mut server, &mut entropy, soon, Input::ContactChanged);
    assert_eq!(got, (vec![401, 200], up(now)));
    let got = run(&mut machine, &mut server, &mut entropy, soon, Input::Stop);
    assert_eq!(got, (vec![200], vec![Output::Unregistered]));
}

#[test]
fn a_wrong_password_ends_after_the_second_challenge() {
    let mut entropy = Entropy::from_number(1);
    let mut server = Server::new(ServerConfig::new("example.com", Place::Server), &mut entropy);
    let credentials = Credentials { username: "bob".into(), password: "wrong".into(), realm: None };
    let mut machine = Registration::new(Config::new("sip:example.com", "c1"), Some(credentials));
    let (statuses, told) = run(&mut machine, &mut server, &mut entropy, Time::ZERO, Input::Start);
    assert_eq!(statuses, [401, 401]);
    assert!(matches!(told[..], [Output::Failed { cause: Cause::Credentials(_), .. }]));
}
