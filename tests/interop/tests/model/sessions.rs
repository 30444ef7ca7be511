//! Applications that are lost while a call with Asterisk is up.

use crate::{OURS, end, hang_up, record_for, with_asterisk};
use hookswitch::{
    Application, AttachOptions, Audio, Call, Event, Interest, MediaTypes, Privilege, Service, ServiceOptions,
    StateKind,
};
use hookswitch_interop::sound::{carries, plays, seconds_of, without};
use hookswitch_interop::{Rig, asterisk, reached, soon};
use std::time::Duration;

/// The notes of the music's upper voice, in hertz.
const NOTES: [u16; 8] = [587, 659, 698, 784, 880, 1_047, 1_175, 1_319];
const PARTY: u16 = 900;

/// A service with line 1001 and an application that has it open.
async fn service(options: ServiceOptions, grace: Duration) -> Rig {
    let config = Rig::config("udp", &[asterisk::line("1001")]);
    let service = Service::start_with(config, options).unwrap_or_else(|error| panic!("{error}"));
    let app = attached(&service, "first", grace).await;
    let line =
        soon("the line", app.open("1001", Interest::owner(MediaTypes::VOICE))).await.expect("it opens");
    let mut rig = Rig { service, app, lines: vec![line] };
    rig.in_service(0).await;
    rig
}

async fn attached(service: &Service, name: &str, grace: Duration) -> Application {
    let attach = service.attach_with(name, AttachOptions::default().grace(grace));
    soon("attaching", attach).await.expect("an application can attach")
}

/// A call that is up; all events so far are read, and the number of the last is returned.
async fn talking(rig: &mut Rig, number: &str) -> (Call, u64) {
    let call = crate::answered(rig, number, Audio::tone(OURS)).await;
    // Asterisk begins to record a moment after it has answered.
    record_for(2.0).await;
    let mut seen = 0;
    while rig.app.last_number() > seen {
        (seen, _) = soon("an event", rig.app.next_numbered()).await.expect("the service runs");
    }
    (call, seen)
}

/// Checklist 69. The other side hears music, and what it presses meanwhile is not lost: it is read when the application has come back.
#[tokio::test]
async fn a_lost_session_is_taken_up_again_and_has_missed_nothing() {
    with_asterisk!();
    let mut rig = service(ServiceOptions::default(), Duration::from_secs(60)).await;
    let (call, mut seen) = talking(&mut rig, &asterisk::digits_party(PARTY, 81)).await;
    asterisk::reached("Read").await;
    // It answers with digits a second and a half after this one.
    soon("a digit", call.send_digits("1")).await.expect("the digit is sent");
    let (token, id) = (rig.app.token(), call.id());
    let Rig { service, app, lines } = rig;
    // Everything of the application's is gone at once, as when its task panics.
    drop((call, lines));
    drop(app);
    record_for(5.0).await;

    let back = soon("coming back", service.resume("first", token, Some(seen))).await.expect("it comes back");
    let mut rig = Rig { service, app: back.application, lines: back.lines };
    let ids: Vec<_> = back.calls.iter().map(|call| (call.id(), call.state().kind())).collect();
    assert_eq!(ids, [(id, StateKind::Connected)]);
    let mut pressed = String::new();
    while pressed.len() < 4 {
        let (number, event) =
            soon("what was missed", rig.app.next_numbered()).await.expect("the service runs");
        seen += 1;
        assert_eq!(number, seen, "{event:?}");
        if let Event::Digit { call, digit, .. } = event {
            assert_eq!(call, id);
            pressed.push(digit);
        }
    }
    assert_eq!(pressed, "4711");
    record_for(1.5).await;
    let call = back.calls.into_iter().next().expect("the call");
    hang_up(call).await;

    let heard = asterisk::complete(&asterisk::heard(81)).await;
    assert!(seconds_of(&heard, None, OURS) >= 2.3, "before and after");
    let meanwhile = without(&heard, None, OURS);
    let (long, share) = (meanwhile.len() as f32 / 8_000.0, plays(&meanwhile, &NOTES));
    println!("music for {long:.2} s, {:.1} % of it", 100.0 * share);
    assert!(long >= 4.5 && share >= 0.95, "music for {long} s, {share} of it");
    end(rig).await;
}

/// Checklist 67, 69. Not taken up in time, the call is the next application's; until then the other side hears what the service says.
#[tokio::test]
async fn a_call_whose_session_is_not_taken_up_passes_on() {
    with_asterisk!();
    let treatment = Some(Audio::tone(600));
    let options = ServiceOptions::default().lost_treatment(treatment);
    let mut rig = service(options, Duration::from_secs(3)).await;
    let mut second = attached(&rig.service, "second", Duration::from_secs(60)).await;
    let interest = Interest::owner(MediaTypes::VOICE);
    let line = soon("the line", second.open("1001", interest)).await.expect("the line opens");
    let (call, _) = talking(&mut rig, &asterisk::party(PARTY, 82)).await;
    let (token, id) = (rig.app.token(), call.id());
    let Rig { service, app, lines } = rig;
    drop((call, lines));
    drop(app);
    let theirs = soon("the call at the next application", async {
        loop {
            if let Event::Appeared { call, state, privilege } = second.next().await.expect("the service runs")
            {
                assert_eq!(
                    (call.id(), state.kind(), privilege),
                    (id, StateKind::Connected, Privilege::Owner)
                );
                return call;
            }
        }
    })
    .await;
    let late = soon("coming back", service.resume("first", token, None)).await;
    assert!(late.is_err(), "{late:?}");
    soon("its tone", theirs.play(Audio::tone(2_100))).await.expect("it says a tone");
    record_for(1.5).await;
    reached(&theirs, StateKind::Connected).await;
    hang_up(theirs).await;
    let heard = asterisk::complete(&asterisk::heard(82)).await;
    carries(&heard, None, OURS, 1.0);
    carries(&heard, None, 600, 2.5);
    carries(&heard, None, 2_100, 1.3);
    end(Rig { service, app: second, lines: vec![line] }).await;
}

/// Checklist 67, 69. A call that is only offered is the next application's at once.
#[tokio::test]
async fn an_offered_call_of_a_lost_session_is_offered_to_the_next() {
    with_asterisk!();
    let mut rig = service(ServiceOptions::default(), Duration::from_secs(3)).await;
    let second = attached(&rig.service, "second", Duration::from_secs(60)).await;
    let interest = Interest::owner(MediaTypes::VOICE);
    let line = soon("the line", second.open("1001", interest)).await.expect("the line opens");
    asterisk::caller(PARTY, 83, "1001").await;
    let offered = rig.offered().await;
    let id = offered.id();
    let Rig { service, app, lines } = rig;
    drop((offered, lines));
    drop(app);
    let mut rig = Rig { service, app: second, lines: vec![line] };
    let theirs = rig.offered().await;
    assert_eq!(theirs.id(), id);
    soon("the answer", theirs.answer(Audio::tone(OURS))).await.expect("the call is answered");
    record_for(2.0).await;
    hang_up(theirs).await;
    carries(&asterisk::complete(&asterisk::heard(83)).await, None, OURS, 1.5);
    end(rig).await;
}
