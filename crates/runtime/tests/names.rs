//! RFC 3263 against a name server of the test's own.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Ask, DEADLINE, Echoing, Told};
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hookswitch_machine::{Question, ResolveError, Target, Transport};
use hookswitch_runtime::Options;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(text: &str) -> RData {
    RData::A(A(text.parse().unwrap()))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 1, port, name(target)))
}

fn naptr(order: u16, service: &str, replacement: &str) -> RData {
    let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    RData::NAPTR(NAPTR::new(order, 1, bytes("s"), bytes(service), bytes(""), name(replacement)))
}

fn zone() -> Vec<(&'static str, RData)> {
    vec![
        ("full.test.", naptr(20, "SIP+D2U", "_sip._udp.full.test.")),
        ("full.test.", naptr(10, "SIP+D2T", "_sip._tcp.full.test.")),
        ("full.test.", naptr(5, "SIPS+D2T", "_sips._tcp.full.test.")),
        ("_sip._tcp.full.test.", srv(2, 5070, "b.test.")),
        ("_sip._tcp.full.test.", srv(1, 5071, "a.test.")),
        ("_sip._udp.full.test.", srv(1, 5072, "a.test.")),
        ("_sip._udp.srv.test.", srv(1, 5080, "b.test.")),
        ("a.test.", a("192.0.2.1")),
        ("a.test.", RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))),
        ("b.test.", a("192.0.2.2")),
        ("b.test.", a("192.0.2.3")),
        ("six.test.", RData::AAAA(AAAA("2001:db8::6".parse().unwrap()))),
    ]
}

/// Answers from [`zone`]; nothing at all for names that begin with `silent`.
fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            let query = message.queries[0].clone();
            let asked = query.name().to_ascii().to_ascii_lowercase();
            if asked.starts_with("silent") {
                continue;
            }
            message.metadata.message_type = MessageType::Response;
            let records: Vec<_> = zone().into_iter().filter(|(owner, _)| *owner == asked).collect();
            if records.is_empty() {
                message.metadata.response_code = ResponseCode::NXDomain;
            }
            for (_, data) in records.into_iter().filter(|(_, data)| data.record_type() == query.query_type())
            {
                message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
            let _: RecordType = query.query_type();
            let _ = socket.send_to(&message.to_vec().unwrap(), peer);
        }
    });
    address
}

fn ask_within(
    listen: &[(Transport, &str)],
    host: &str,
    port: Option<u16>,
    transport: Option<Transport>,
    within: Duration,
) -> Result<Vec<Target>, ResolveError> {
    let mut options = Options::default();
    options.dns.servers = Some(vec![name_server()]);
    let echoing = Echoing::with(listen, options, 1, |_| {});
    echoing.ask(Ask::Resolve(Question { host: host.to_owned(), port, transport }, within));
    let Told::Resolved(answer) = echoing.next() else { panic!("expected an answer") };
    echoing.stop();
    answer
}

fn ask(host: &str, port: Option<u16>, transport: Option<Transport>) -> Result<Vec<Target>, ResolveError> {
    let both = [(Transport::Udp, "127.0.0.1:0"), (Transport::Tcp, "127.0.0.1:0")];
    ask_within(&both, host, port, transport, DEADLINE)
}

fn targets(list: &[(Transport, &str)]) -> Result<Vec<Target>, ResolveError> {
    let target =
        |&(transport, address): &(Transport, &str)| Target { transport, address: address.parse().unwrap() };
    Ok(list.iter().map(target).collect())
}

use Transport::{Tcp, Udp};

#[test]
fn naptr_leads_to_srv_leads_to_addresses_in_order() {
    let expected = targets(&[
        (Tcp, "192.0.2.1:5071"),
        (Tcp, "192.0.2.2:5070"),
        (Tcp, "192.0.2.3:5070"),
        (Udp, "192.0.2.1:5072"),
    ]);
    assert_eq!(ask("full.test", None, None), expected);
}

#[test]
fn a_transport_in_the_uri_leads_to_its_srv_records_only() {
    assert_eq!(ask("full.test", None, Some(Udp)), targets(&[(Udp, "192.0.2.1:5072")]));
}

#[test]
fn without_naptr_the_srv_records_of_our_transports_are_tried() {
    assert_eq!(ask("srv.test", None, None), targets(&[(Udp, "192.0.2.2:5080"), (Udp, "192.0.2.3:5080")]));
}

#[test]
fn without_srv_the_addresses_are_used_with_the_default_port() {
    let expected = targets(&[(Tcp, "192.0.2.2:5060"), (Tcp, "192.0.2.3:5060")]);
    assert_eq!(ask("b.test", None, Some(Tcp)), expected);
    assert_eq!(ask("a.test.", None, None), targets(&[(Udp, "192.0.2.1:5060")]));
}

#[test]
fn a_port_forbids_srv() {
    assert_eq!(ask("full.test", Some(5099), None), Err(ResolveError::NotFound));
    assert_eq!(ask("a.test", Some(5099), None), targets(&[(Udp, "192.0.2.1:5099")]));
}

#[test]
fn addresses_that_cannot_be_reached_from_here_are_left_out() {
    let both = [(Udp, "127.0.0.1:0"), (Udp, "[::1]:0")];
    if UdpSocket::bind("[::1]:0").is_ok() {
        let answer = ask_within(&both, "a.test", None, None, DEADLINE);
        assert_eq!(answer, targets(&[(Udp, "192.0.2.1:5060"), (Udp, "[2001:db8::1]:5060")]));
    }
    assert!(matches!(ask("six.test", None, None), Err(ResolveError::Failed(_))));
}

#[test]
fn unknown_names_are_not_found() {
    assert_eq!(ask("nowhere.test", None, None), Err(ResolveError::NotFound));
}

#[test]
fn the_hosts_file_is_read() {
    assert_eq!(ask("localhost", Some(5060), None), targets(&[(Udp, "127.0.0.1:5060")]));
}

#[test]
fn silence_ends_at_the_deadline() {
    let answer = ask_within(&[(Udp, "127.0.0.1:0")], "silent.test", None, None, Duration::from_millis(200));
    assert_eq!(answer, Err(ResolveError::TimedOut));
}

#[test]
fn shutdown_answers_open_questions() {
    let mut options = Options::default();
    options.dns.servers = Some(vec![name_server()]);
    let echoing = Echoing::with(&[(Udp, "127.0.0.1:0")], options, 1, |_| {});
    let question = Question { host: "silent.test".to_owned(), port: None, transport: None };
    echoing.ask(Ask::Resolve(question, DEADLINE));
    echoing.ask(Ask::Ping(1));
    assert_eq!(echoing.next(), Told::Pong(1));
    let Echoing { running, told } = echoing;
    running.shutdown(DEADLINE).unwrap();
    assert!(matches!(told.try_recv(), Ok(Told::Resolved(Err(ResolveError::Failed(_))))));
}
