//! RFC 4475's messages given to an endpoint: what a user agent answers to each, as far as the manifest says.
#![allow(clippy::disallowed_methods)] // Reads the corpus.

use bytes::Bytes;
use hookswitch_machine::{Endpoint, EndpointId, Entropy, Flow, Time, Transport};
use hookswitch_sip::message::{Limits, Message, Method};
use hookswitch_sip::transaction::{self, Layer, Output};
use hookswitch_sip::ua::{Config, Indication, UserAgent};
use std::path::{Path, PathBuf};

/// What an endpoint does with a message.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Answers at once.
    Status(u16),
    /// Nothing.
    Silence,
    /// Leaves it to the user.
    Indicated,
}

/// Where this endpoint does otherwise than the manifest's status, and why that is right. Exact: an exception that is no longer one fails.
const EXCEPTIONS: &[(&str, Outcome, &str)] = &[
    (
        "rfc4475/zeromf.dat",
        Outcome::Status(200),
        "Max-Forwards counts hops of proxies (RFC 3261 16.3); the endpoint that is meant answers OPTIONS (8.2, 11.2)",
    ),
    (
        "rfc4475/badaspec.dat",
        Outcome::Status(200),
        "spaces inside an address are harmless: leniency is allowed, and OPTIONS is answered",
    ),
];

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var("HOOKSWITCH_CORPUS").map_or(beside, PathBuf::from);
    if folder.join("MANIFEST.tsv").exists() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no RFC 4475 corpus at {} (set HOOKSWITCH_CORPUS)", folder.display());
    None
}

/// An agent that takes REGISTER and MESSAGE, as one in front of a registrar would.
fn outcome(bytes: &Bytes) -> (Outcome, Option<Message>) {
    let source = Flow::to(EndpointId(0), ([192, 0, 2, 7], 5060).into());
    let now = Time::from_millis(1);
    let message = match Message::parse(bytes.clone(), &Limits::default()) {
        Ok(message) => message,
        Err(rejected) => {
            let Some(answer) = rejected.answer(source.peer) else { return (Outcome::Silence, None) };
            let answer = Message::parse(answer, &Limits::default());
            let status = answer.as_ref().ok().and_then(|answer| answer.status()).or(rejected.status());
            return (status.map_or(Outcome::Silence, Outcome::Status), None);
        }
    };
    let mut entropy = Entropy::from_number(1);
    let mut layer = Layer::new(transaction::Config::default(), entropy.fork());
    let config = Config {
        endpoints: vec![Endpoint {
            id: EndpointId(0),
            transport: Transport::Udp,
            advertised: ([192, 0, 2, 1], 5060).into(),
        }],
        methods: vec![Method::Register, Method::Message],
        ..Config::default()
    };
    let mut agent = UserAgent::new(config, entropy);
    let told = agent.receive(now, &mut layer, source, &message);
    let mut status = None;
    while let Some(output) = layer.poll() {
        if let Output::Transmit { bytes, .. } = output {
            assert!(status.is_none(), "two answers to {message:?}");
            status = Message::parse(bytes, &Limits::default()).expect("a response").status();
        }
    }
    assert!(told == Indication::None || status.is_none(), "{message:?} was answered and indicated");
    let outcome = match (told, status) {
        (_, Some(status)) => Outcome::Status(status),
        (Indication::None, None) => Outcome::Silence,
        (_, None) => Outcome::Indicated,
    };
    (outcome, Some(message))
}

/// What the manifest wants of an endpoint.
fn wanted(text: &str, message: Option<&Message>) -> Outcome {
    let number = |text: &str| text.get(..3).and_then(|digits| digits.parse().ok());
    let status = text.match_indices(|c: char| c.is_ascii_digit()).find_map(|(at, _)| {
        let before = text.get(..at).unwrap_or_default().ends_with(|c: char| c.is_ascii_digit());
        let after = text.get(at + 3..).unwrap_or_default().starts_with(|c: char| c.is_ascii_digit());
        number(text.get(at..)?).filter(|_| !before && !after && !text.contains("discard"))
    });
    match (status, message) {
        (Some(status), _) => Outcome::Status(status),
        _ if text.contains("discard") => Outcome::Silence,
        (None, Some(message)) if !message.is_request() => Outcome::Silence,
        (None, Some(message)) if message.method() == Method::Options => Outcome::Status(200),
        (None, _) => Outcome::Indicated,
    }
}

#[test]
fn every_torture_message_gets_the_answer_of_its_verdict() {
    let Some(folder) = corpus() else { return };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("a manifest");
    let mut used = Vec::new();
    let mut wrong = Vec::new();
    for line in manifest.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _, class, text] = columns[..] else { panic!("{line}") };
        if class == "valid" {
            continue;
        }
        let bytes: Bytes = std::fs::read(folder.join(file)).expect("the file").into();
        let (got, message) = outcome(&bytes);
        let wanted = wanted(text, message.as_ref());
        match EXCEPTIONS.iter().find(|(name, ..)| *name == file) {
            Some((_, exception, _)) => {
                used.push(file.to_owned());
                if got != *exception || got == wanted {
                    wrong.push(format!(
                        "{file}: exception {exception:?}, wanted {wanted:?}, got {got:?} ({text})"
                    ));
                }
            }
            None if got != wanted => wrong.push(format!("{file}: wanted {wanted:?}, got {got:?} ({text})")),
            None => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let stale: Vec<&str> =
        EXCEPTIONS.iter().map(|(name, ..)| *name).filter(|name| !used.iter().any(|u| u == name)).collect();
    assert!(stale.is_empty(), "exceptions without a line in the manifest: {stale:?}");
}

#[test]
fn valid_requests_are_answered_or_left_to_the_user_and_acks_are_met_with_silence() {
    let Some(folder) = corpus() else { return };
    let mut seen = 0;
    for file in std::fs::read_dir(folder.join("rfc4475")).expect("the corpus") {
        let path = file.expect("an entry").path();
        let bytes: Bytes = std::fs::read(&path).expect("the file").into();
        let (outcome, message) = outcome(&bytes);
        // The same octets as an ACK.
        let Some(message) = message.filter(Message::is_request) else { continue };
        assert_ne!(outcome, Outcome::Silence, "{}", path.display());
        let (method, text) = (message.method().as_str(), String::from_utf8_lossy(&bytes).into_owned());
        let mut ack = text.replacen(method, "ACK", 1);
        if let Some(at) = ack.to_ascii_lowercase().find("cseq") {
            let (head, tail) = ack.split_at(at);
            ack = format!("{head}{}", tail.replacen(method, "ACK", 1));
        }
        let (answer, parsed) = self::outcome(&ack.into_bytes().into());
        assert_eq!(answer, Outcome::Silence, "{} as an ACK ({})", path.display(), parsed.is_some());
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}
