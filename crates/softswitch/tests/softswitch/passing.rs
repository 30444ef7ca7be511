use super::phone::{Manner, SDP};
use super::world::World;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_sip::message::{Method, Name};
use hookswitch_sip::ua::Indication;

#[test]
fn what_explains_a_call_passes_untouched() {
    let fields = [
        (Name::SessionId, "ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000"),
        (Name::ReferredBy, "<sip:dan@example.org>;cid=\"20398823.2UWQFN309shb3@referrer.example\""),
        (Name::UserToUser, "56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar"),
        (Name::Diversion, "<sip:cat@example.org>;reason=user-busy;counter=1"),
        (Name::HistoryInfo, "<sip:cat@example.org>;index=1, <sip:bob@example.org>;index=1.1;mp=1"),
        (Name::AlertInfo, "<urn:alert:service:call-waiting>"),
        (Name::CallInfo, "<sip:example.org>;answer-after=0"),
        (Name::Other("X-Own"), "a,b ; c"),
    ];
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Tcp, Manner::Answers);
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let leg = world.phones[ann].call_with(world.now, "bob", Some(SDP), &lines);
    world.run(1);
    let invite = world.phones[bob].last(Method::Invite);
    for (name, value) in fields {
        assert_eq!(invite.header(name), Some(value), "{name}");
    }
    assert_eq!(invite.body(), SDP.as_bytes());
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}
