//! Phone devices: whoever is registered has a hook switch, a ringer and lamps.

use super::phone::Manner;
use super::world::World;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_machine::{Entropy, Input};
use hookswitch_sip::message::{Method, Name};
use hookswitch_softswitch::{Limits, Messages, Request};
use hookswitch_spi::{
    HookSwitch, LampMeaning, LampState, PhoneEvent, PhoneFailure, PhoneId, PhonePart, PhoneProvider,
    PhoneSetting, PhoneStatus, RequestId,
};
use std::time::Duration;

const ANN: PhoneId = PhoneId(0);
const BOB: PhoneId = PhoneId(1);
const ON_HOOK: PhoneSetting = PhoneSetting::HookSwitch(HookSwitch::OnHook);

const RING: PhoneSetting = PhoneSetting::Ring(1);
const SILENCE: PhoneSetting = PhoneSetting::Ring(0);

const fn lamp(state: LampState) -> PhoneSetting {
    PhoneSetting::Lamp { lamp: 0, state }
}

const fn changed(phone: PhoneId, part: PhonePart) -> PhoneEvent {
    PhoneEvent::Changed { phone, part: Some(part) }
}

fn done(request: u64, result: Result<(), PhoneFailure>) -> PhoneEvent {
    PhoneEvent::Completed { request: RequestId(request), result }
}

fn events(world: &mut World) -> Vec<PhoneEvent> {
    std::iter::from_fn(|| world.switch.poll_phone_event()).collect()
}

fn status(world: &World, phone: PhoneId) -> PhoneStatus {
    world.switch.phone_status(phone).expect("the phone is there")
}

/// Asks, and lets the machine begin.
fn set(world: &mut World, request: u64, phone: PhoneId, setting: PhoneSetting) -> Result<(), PhoneFailure> {
    world.switch.set_phone(RequestId(request), phone, setting)?;
    world.input(Input::Timeout);
    Ok(())
}

/// Ann and Bob are registered, and their phones open.
fn two() -> (World, usize, usize) {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Rings);
    assert_eq!(events(&mut world), [PhoneEvent::Created(ANN), PhoneEvent::Created(BOB)]);
    for phone in [ANN, BOB] {
        assert_eq!(world.switch.open_phone(phone), Ok(()));
    }
    (world, ann, bob)
}

/// Ann has subscribed to what waits for her.
fn subscribed() -> (World, usize) {
    let (mut world, ann, _) = two();
    world.phones[ann].subscribe(world.now, "ann", "", "message-summary", 600);
    world.run(1);
    let lamp = changed(ANN, PhonePart::Lamp);
    assert_eq!(events(&mut world), [lamp.clone(), lamp], "it can be set, and is known to be dark");
    (world, ann)
}

#[test]
fn a_phone_appears_with_the_first_registration_and_stays() {
    let (mut world, ann, _) = two();
    let phones = world.switch.phones();
    assert_eq!((phones.len(), phones[0].name.as_str(), phones[0].phone), (2, "ann", ANN));
    assert_eq!(phones[0].address.as_deref(), Some("sip:ann@example.org"));
    assert_eq!(world.switch.open_phone(ANN), Err(PhoneFailure::AlreadyOpen(ANN)));
    assert_eq!(world.switch.open_phone(PhoneId(7)), Err(PhoneFailure::NoSuchPhone(PhoneId(7))));

    world.phones[ann].register(world.now, 3_600);
    world.run(1);
    assert_eq!(events(&mut world), [], "a refresh changes nothing");
    world.phones[ann].register(world.now, 0);
    world.run(1);
    let service = PhoneEvent::Changed { phone: ANN, part: None };
    let parts = [service, changed(ANN, PhonePart::HookSwitch), changed(ANN, PhonePart::Ringer)];
    assert_eq!(events(&mut world), parts, "and it cannot be made to ring");
    let gone = status(&world, ANN);
    assert_eq!((gone.in_service, gone.hook_switch), (false, HookSwitch::Unknown));
    world.phones[ann].register(world.now, 3_600);
    world.run(1);
    assert_eq!(events(&mut world), parts);
    assert_eq!(status(&world, ANN).hook_switch, HookSwitch::OnHook);
    world.drain();
}

#[test]
fn hook_switch_and_ringer_follow_the_calls() {
    let (mut world, ann, bob) = two();
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let seen = events(&mut world);
    assert_eq!(seen, [changed(ANN, PhonePart::HookSwitch), changed(BOB, PhonePart::Ringer)]);
    assert_eq!((status(&world, ANN).hook_switch, status(&world, ANN).ring_mode), (HookSwitch::OffHook, 0));
    assert_eq!((status(&world, BOB).hook_switch, status(&world, BOB).ring_mode), (HookSwitch::OnHook, 1));

    world.phones[bob].answer(world.now);
    world.run(1);
    assert_eq!(
        events(&mut world),
        [
            changed(ANN, PhonePart::HookSwitch),
            changed(BOB, PhonePart::HookSwitch),
            changed(BOB, PhonePart::Ringer)
        ],
        "Ann's cannot be set any more"
    );
    assert_eq!((status(&world, BOB).hook_switch, status(&world, BOB).ring_mode), (HookSwitch::OffHook, 0));

    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    let seen = events(&mut world);
    assert_eq!(seen, [changed(ANN, PhonePart::HookSwitch), changed(BOB, PhonePart::HookSwitch)]);
    assert_eq!(status(&world, BOB).hook_switch, HookSwitch::OnHook);
    world.drain();
}

#[test]
fn a_phone_that_is_not_open_is_not_told_of() {
    let (mut world, ann, bob) = two();
    world.switch.close_phone(ANN);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(events(&mut world), [changed(BOB, PhonePart::Ringer)]);
    assert_eq!(status(&world, ANN).hook_switch, HookSwitch::OffHook, "but it can be asked");
    assert_eq!(set(&mut world, 1, ANN, ON_HOOK), Err(PhoneFailure::NotOpen(ANN)));
    world.phones[bob].answer(world.now);
    world.run(1);
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    world.drain();
}

#[test]
fn what_no_endpoint_can_be_told_is_unavailable() {
    let (mut world, ..) = two();
    let able = world.switch.phone_capabilities(ANN).unwrap().clone();
    assert!(!able.settable.contains(PhonePart::Volume) && !able.told.contains(PhonePart::Volume));
    let refused = [
        (PhoneSetting::Volume(9), PhoneFailure::Unavailable(PhonePart::Volume)),
        (PhoneSetting::Ring(2), PhoneFailure::InvalidSetting(PhonePart::Ringer)),
        (PhoneSetting::HookSwitch(HookSwitch::OffHook), PhoneFailure::InvalidSetting(PhonePart::HookSwitch)),
        (lamp(LampState::Wink), PhoneFailure::InvalidSetting(PhonePart::Lamp)),
        (PhoneSetting::Lamp { lamp: 1, state: LampState::Off }, PhoneFailure::NoSuchLamp(1)),
    ];
    for (setting, failure) in refused {
        assert_eq!(set(&mut world, 1, ANN, setting), Err(failure));
    }
    let unsubscribed = set(&mut world, 1, ANN, lamp(LampState::Steady));
    assert!(matches!(unsubscribed, Err(PhoneFailure::NotNow { part: PhonePart::Lamp, .. })));
    assert!(!status(&world, ANN).settable.contains(PhonePart::Lamp));
    assert_eq!(events(&mut world), [], "what is refused never completes");
    world.drain();
}

#[test]
fn on_hook_ends_a_call_to_an_extension() {
    let (mut world, ann, _) = two();
    world.stock(2);
    world.phones[ann].call(world.now, "600");
    world.run(1);
    assert_eq!(events(&mut world), [changed(ANN, PhonePart::HookSwitch)]);
    assert!(status(&world, ANN).settable.contains(PhonePart::HookSwitch));
    assert_eq!(set(&mut world, 1, ANN, ON_HOOK), Ok(()));
    assert_eq!(events(&mut world), [done(1, Ok(())), changed(ANN, PhonePart::HookSwitch)]);
    world.run(1);
    assert_eq!(world.phones[ann].count(Method::Bye), 1);
    assert_eq!(set(&mut world, 2, ANN, ON_HOOK), Ok(()));
    assert_eq!(events(&mut world), [done(2, Ok(())), changed(ANN, PhonePart::HookSwitch)], "it is already");
    world.drain();
}

#[test]
fn on_hook_ends_a_call_that_nobody_has_answered() {
    let (mut world, ann, bob) = two();
    world.phones[ann].call(world.now, "bob");
    world.run(1);
    events(&mut world);
    assert_eq!(set(&mut world, 1, ANN, ON_HOOK), Ok(()));
    assert_eq!(events(&mut world), [], "when it has come true");
    world.run(1);
    let seen = events(&mut world);
    assert_eq!(seen[0], done(1, Ok(())));
    assert_eq!(seen[1..], [changed(ANN, PhonePart::HookSwitch), changed(BOB, PhonePart::Ringer)]);
    assert_eq!(world.phones[ann].finals(Method::Invite), [407, 487]);
    assert_eq!(world.phones[bob].count(Method::Cancel), 1);
    world.drain();
}

#[test]
fn a_call_that_is_answered_meanwhile_stays_and_is_said_to() {
    let (mut world, ann, bob) = two();
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    events(&mut world);
    world.phones[bob].answer(world.now);
    assert_eq!(set(&mut world, 1, ANN, ON_HOOK), Ok(()));
    world.run(1);
    let seen = events(&mut world);
    assert!(
        matches!(&seen[0], PhoneEvent::Completed { result: Err(PhoneFailure::NotTaken(_)), .. }),
        "{seen:?}"
    );
    assert_eq!(status(&world, ANN).hook_switch, HookSwitch::OffHook);
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    world.drain();
}

#[test]
fn a_call_between_two_phones_is_theirs() {
    let (mut world, ann, bob) = two();
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    world.phones[bob].answer(world.now);
    world.run(1);
    for phone in [ANN, BOB] {
        assert!(!status(&world, phone).settable.contains(PhonePart::HookSwitch));
        let refused = set(&mut world, 1, phone, ON_HOOK);
        assert!(matches!(refused, Err(PhoneFailure::NotNow { part: PhonePart::HookSwitch, .. })));
    }
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    world.drain();
}

#[test]
fn a_phone_rings_without_a_call_and_stops() {
    let (mut world, ann, _) = two();
    assert_eq!(set(&mut world, 1, ANN, RING), Ok(()));
    assert_eq!(events(&mut world), [], "when it rings");
    world.run(1);
    assert_eq!(events(&mut world), [done(1, Ok(())), changed(ANN, PhonePart::Ringer)]);
    assert_eq!((status(&world, ANN).ring_mode, status(&world, ANN).hook_switch), (1, HookSwitch::OnHook));
    assert_eq!(set(&mut world, 2, ANN, SILENCE), Ok(()));
    world.run(1);
    assert_eq!(events(&mut world), [done(2, Ok(())), changed(ANN, PhonePart::Ringer)]);
    assert_eq!(status(&world, ANN).ring_mode, 0);
    let cancel = world.phones[ann].last(Method::Cancel);
    assert!(cancel.header(Name::Reason).is_some_and(|reason| reason.contains("cause=200")), "no missed call");
    assert_eq!(set(&mut world, 3, ANN, SILENCE), Ok(()));
    assert_eq!(
        events(&mut world),
        [done(3, Ok(())), changed(ANN, PhonePart::Ringer)],
        "it is silent already"
    );
    world.drain();
}

#[test]
fn who_lifts_the_handset_of_a_phone_that_rings_without_a_call_is_hung_up_on() {
    let (mut world, ann, _) = two();
    assert_eq!(set(&mut world, 1, ANN, RING), Ok(()));
    world.run(1);
    events(&mut world);
    world.phones[ann].answer(world.now);
    world.run(1);
    assert_eq!((world.phones[ann].count(Method::Ack), world.phones[ann].count(Method::Bye)), (1, 1));
    assert_eq!(events(&mut world), [changed(ANN, PhonePart::Ringer)]);
    assert_eq!(status(&world, ANN).ring_mode, 0);
    world.drain();
}

#[test]
fn a_phone_rings_for_a_minute_at_most() {
    let (mut world, ann, _) = two();
    assert_eq!(set(&mut world, 1, ANN, RING), Ok(()));
    world.run(59);
    assert_eq!(status(&world, ANN).ring_mode, 1);
    world.run(2);
    assert_eq!((status(&world, ANN).ring_mode, world.phones[ann].count(Method::Cancel)), (0, 1));
    world.drain();
}

#[test]
fn a_phone_that_does_not_ring_says_so() {
    let (mut world, ann, bob) = two();
    world.phones[ann].manner = Manner::Refuses(486);
    assert_eq!(set(&mut world, 1, ANN, RING), Ok(()));
    world.run(1);
    let not = Err(PhoneFailure::NotTaken("it did not ring"));
    assert_eq!(events(&mut world), [done(1, not)]);
    world.phones[ann].call(world.now, "bob");
    world.run(1);
    let alerted = set(&mut world, 2, BOB, SILENCE);
    assert!(
        matches!(alerted, Err(PhoneFailure::NotNow { part: PhonePart::Ringer, .. })),
        "a call: {alerted:?}"
    );
    world.phones[bob].register(world.now, 0);
    world.calm_down();
    let absent = set(&mut world, 3, BOB, RING);
    assert!(matches!(absent, Err(PhoneFailure::NotNow { part: PhonePart::Ringer, .. })), "{absent:?}");
    world.drain();
}

#[test]
fn the_message_lamp_is_lit_when_the_phone_says_so() {
    let (mut world, ann) = subscribed();
    assert_eq!(status(&world, ANN).lamps, [LampState::Off]);
    assert_eq!(set(&mut world, 1, ANN, lamp(LampState::Steady)), Ok(()));
    assert_eq!((events(&mut world), status(&world, ANN).lamps), (vec![], vec![LampState::Off]));
    world.run(1);
    assert_eq!(events(&mut world), [done(1, Ok(())), changed(ANN, PhonePart::Lamp)]);
    assert_eq!(status(&world, ANN).lamps, [LampState::Steady]);
    let (_, body) = world.phones[ann].notified().pop().unwrap();
    assert!(body.contains("Messages-Waiting: yes"), "{body}");

    assert_eq!(set(&mut world, 2, ANN, lamp(LampState::Off)), Ok(()));
    world.run(1);
    assert_eq!(events(&mut world), [done(2, Ok(())), changed(ANN, PhonePart::Lamp)]);
    let (_, body) = world.phones[ann].notified().pop().unwrap();
    assert!(body.contains("Messages-Waiting: no"), "{body}");
    world.drain();
}

#[test]
fn what_an_operator_says_of_messages_is_seen_on_the_lamp() {
    let (mut world, _) = subscribed();
    let messages = Messages { new: 3, old: 1 };
    let request = Request::SetMessages { user: "ann".into(), messages };
    world.input(Input::Request(request));
    world.run(1);
    assert_eq!(events(&mut world), [changed(ANN, PhonePart::Lamp)]);
    assert_eq!(status(&world, ANN).lamps, [LampState::Steady]);
    world.drain();
}

#[test]
fn a_lamp_that_the_phone_refuses_or_never_hears_of_is_not_lit() {
    for answer in [481, 0] {
        let (mut world, ann) = subscribed();
        world.phones[ann].notify_status = answer;
        assert_eq!(set(&mut world, 1, ANN, lamp(LampState::Steady)), Ok(()));
        world.run(40);
        let seen = events(&mut world);
        assert!(matches!(&seen[0], PhoneEvent::Completed { result: Err(PhoneFailure::NotTaken(_)), .. }));
        assert_eq!(seen[1..], [changed(ANN, PhonePart::Lamp)], "its subscription is over");
        assert_eq!(status(&world, ANN).lamps, [LampState::Unknown]);
        world.drain();
    }
}

#[test]
fn the_newest_setting_of_a_lamp_wins() {
    let (mut world, _) = subscribed();
    assert_eq!(set(&mut world, 1, ANN, lamp(LampState::Steady)), Ok(()));
    assert_eq!(set(&mut world, 2, ANN, lamp(LampState::Off)), Ok(()));
    assert_eq!(events(&mut world), [done(1, Err(PhoneFailure::Replaced))]);
    world.run(1);
    let seen = events(&mut world);
    assert!(seen.contains(&done(2, Ok(()))), "{seen:?}");
    assert_eq!(status(&world, ANN).lamps, [LampState::Off]);
    world.drain();
}

#[test]
fn busy_lamps_are_those_that_the_phone_watches() {
    let (mut world, ann, bob) = two();
    let cat = world.phone("cat", Tcp, Manner::Rings);
    let phone = PhoneId(2);
    assert_eq!(events(&mut world), [PhoneEvent::Created(phone)]);
    assert_eq!(world.switch.open_phone(phone), Ok(()));
    world.phones[cat].subscribe(world.now, "bob", "", "dialog", 100);
    world.run(1);
    assert_eq!(events(&mut world)[0], PhoneEvent::CapabilitiesChanged(phone));
    let able = world.switch.phone_capabilities(phone).unwrap();
    let meanings: Vec<&LampMeaning> = able.lamps.iter().map(|lamp| &lamp.meaning).collect();
    assert_eq!(meanings, [&LampMeaning::Messages, &LampMeaning::Busy("bob".into())]);
    assert!(able.lamps[1].settable.is_empty());

    let of_bob = |world: &World| status(world, phone).lamps[1];
    let told = |world: &mut World| events(world).contains(&changed(phone, PhonePart::Lamp));
    assert_eq!(of_bob(&world), LampState::Off);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert!(told(&mut world));
    assert_eq!(of_bob(&world), LampState::Flash);
    world.phones[bob].answer(world.now);
    world.run(1);
    assert!(told(&mut world));
    assert_eq!(of_bob(&world), LampState::Steady);
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    assert!(told(&mut world));
    assert_eq!(of_bob(&world), LampState::Off);
    world.run(200);
    assert!(told(&mut world));
    assert_eq!(of_bob(&world), LampState::Unknown, "the phone watches no more, and the lamp keeps its place");
    world.drain();
}

#[test]
fn what_is_outstanding_completes_before_a_phone_is_closed() {
    let (mut world, _) = subscribed();
    assert_eq!(set(&mut world, 1, ANN, lamp(LampState::Steady)), Ok(()));
    assert_eq!(world.switch.set_phone(RequestId(2), ANN, ON_HOOK), Ok(()));
    world.switch.close_phone(ANN);
    let closed = || Err(PhoneFailure::Closed);
    assert_eq!(events(&mut world), [done(1, closed()), done(2, closed())]);
    world.run(1);
    assert_eq!(events(&mut world), [], "nothing follows");
    world.drain();
}

#[test]
fn a_phone_is_gone_with_its_account_and_its_number_with_it() {
    let (mut world, ann) = subscribed();
    assert_eq!(set(&mut world, 1, ANN, lamp(LampState::Steady)), Ok(()));
    world.input(Input::Request(Request::RemoveAccount { user: "ann".into() }));
    let seen = events(&mut world);
    assert_eq!(seen, [done(1, Err(PhoneFailure::Closed)), PhoneEvent::Removed(ANN)]);
    assert_eq!(world.switch.phone_status(ANN), None);
    world.run(1);
    let (state, _) = world.phones[ann].notified().pop().unwrap();
    assert!(state.starts_with("terminated"), "{state}");
    world.phones[ann].register(world.now, 3_600);
    world.run(1);
    assert_eq!(world.phones[ann].finals(Method::Register).last(), Some(&403));
    assert_eq!(world.switch.phones().len(), 1);
    world.phone("cat", Udp, Manner::Rings);
    assert_eq!(events(&mut world), [PhoneEvent::Created(PhoneId(2))]);
    world.run_for(Duration::from_secs(60));
    world.drain();
}

#[test]
fn many_calls_end_with_one_request() {
    let mut world = World::with(Limits::default());
    world.stock(4);
    let ann = world.phone("ann", Udp, Manner::Rings);
    events(&mut world);
    assert_eq!(world.switch.open_phone(ANN), Ok(()));
    for extension in ["600", "601", "602"] {
        world.phones[ann].call(world.now, extension);
    }
    world.run(1);
    events(&mut world);
    assert_eq!(set(&mut world, 1, ANN, ON_HOOK), Ok(()));
    world.run(1);
    assert_eq!(events(&mut world), [done(1, Ok(())), changed(ANN, PhonePart::HookSwitch)]);
    assert_eq!(world.phones[ann].count(Method::Bye), 3);
    world.drain();
}

/// Loss, doubling and overtaking, with settings at random moments: each that was accepted completes once, each success is told.
#[test]
fn every_accepted_setting_completes_once_whatever_the_network_does() {
    for seed in 0..20 {
        let mut world = World::new();
        world.stock(8);
        let users = ["ann", "bob", "cat"];
        let phones: Vec<usize> = users.iter().map(|user| world.phone(user, Udp, Manner::Rings)).collect();
        for (user, phone) in users.iter().zip(&phones) {
            world.phones[*phone].subscribe(world.now, user, "", "message-summary", 600);
            world.phones[*phone].subscribe(world.now, "bob", "", "dialog", 600);
        }
        world.run(1);
        let ids: Vec<PhoneId> = world.switch.phones().iter().map(|phone| phone.phone).collect();
        for phone in &ids {
            assert_eq!(world.switch.open_phone(*phone), Ok(()));
        }
        let mut chance = Entropy::from_number(seed);
        world.chaos = Some(Entropy::from_number(seed + 1_000));
        let (mut accepted, mut seen) = (Vec::new(), events(&mut world));
        for request in 1..60 {
            let at = chance.below(3) as usize;
            match chance.below(10) {
                0..2 => drop(world.phones[phones[at]].call(world.now, "600")),
                2..4 => drop(world.phones[phones[at]].call(world.now, users[(at + 1) % 3])),
                4 if !world.phones[phones[at]].incoming.is_empty() => {
                    // It may be gone.
                    let phone = &mut world.phones[phones[at]];
                    if let Some(leg) = phone.incoming.last().copied() {
                        let contact = std::sync::Arc::clone(&phone.contact);
                        let sdp = phone.answer_sdp.clone();
                        let account = Some(phone.account);
                        let _ = phone.agent.accept(
                            world.now,
                            &mut phone.layer,
                            leg,
                            contact,
                            account,
                            sdp.as_bytes(),
                        );
                    }
                }
                5 => world.phones[phones[at]].notify_status = [200, 481, 0][chance.below(3) as usize],
                _ => {
                    let settings = [ON_HOOK, lamp(LampState::Steady), lamp(LampState::Off), RING, SILENCE];
                    let setting = settings[chance.below(5) as usize].clone();
                    if set(&mut world, request, ids[at], setting.clone()).is_ok() {
                        accepted.push((request, ids[at], setting.part()));
                    }
                }
            }
            world.run_for(Duration::from_millis(chance.below(1_500)));
            seen.extend(events(&mut world));
        }
        world.calm_down();
        seen.extend(events(&mut world));
        for (request, phone, part) in accepted {
            let id = RequestId(request);
            let of =
                |event: &PhoneEvent| matches!(event, PhoneEvent::Completed { request, .. } if *request == id);
            let places: Vec<usize> = (0..seen.len()).filter(|at| of(&seen[*at])).collect();
            assert_eq!(places.len(), 1, "seed {seed}, {id} completes once");
            if seen[places[0]] == done(request, Ok(())) {
                assert!(seen[places[0]..].contains(&changed(phone, part)), "seed {seed}, {id} is told");
            }
        }
        for phone in ids {
            let hook = status(&world, phone).hook_switch;
            assert_ne!(hook, HookSwitch::OffHook, "seed {seed}, {phone}: all calls are over");
        }
        world.drain();
    }
}
