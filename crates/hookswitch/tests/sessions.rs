//! Applications that are lost, come back, read again, and take requests for calls; through the public API.

// A test reads what it has recorded.
#![allow(clippy::disallowed_methods)]

mod common;

use common::*;
use hookswitch::config::Config;
use hookswitch::{
    Application, AttachOptions, Audio, Call, CallRequest, CallState, Error, Event, Interest, MediaTypes,
    Privilege, RequestError, Service, ServiceOptions, StateKind,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;

async fn attached(service: &Service, name: &str, grace: Duration) -> Application {
    let options = AttachOptions::default().grace(grace);
    let app = in_time(service.attach_with(name, options)).await.unwrap_or_else(|error| panic!("{error}"));
    app.open("trunk", Interest::owner(VOICE)).await.unwrap_or_else(|error| panic!("{error}"));
    app
}

async fn next_numbered(app: &mut Application) -> (u64, Event) {
    in_time(app.next_numbered()).await.unwrap_or_else(|| panic!("the service stopped"))
}

fn recording(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("hookswitch-{name}-{}.wav", std::process::id()))
}

/// The mean amplitude of what was received, from a WAV file of two channels.
fn heard(path: &Path) -> f64 {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{error}"));
    let frames = bytes.get(44..).unwrap_or_default().chunks_exact(4);
    let (count, sum) = frames.fold((0_u32, 0.0), |(count, sum), frame| {
        (count + 1, sum + f64::from(i16::from_le_bytes([frame[0], frame[1]])).abs())
    });
    assert!(count > 4_000, "{count} samples");
    let _ = std::fs::remove_file(path);
    sum / f64::from(count)
}

/// What this side hears while it sends digits.
async fn heard_meanwhile(call: &Call, digits: &str, name: &str) -> f64 {
    let path = recording(name);
    in_time(call.record(&path)).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.send_digits(digits)).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.stop_recording()).await.unwrap_or_else(|error| panic!("{error}"));
    heard(&path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_lost_in_a_call_comes_back_and_has_missed_nothing() {
    let (alice, mut bob) = pair().await;
    let (call, incoming) = tokio::join!(alice.line.call("bob", Audio::silence()), offered(&mut bob.app));
    let call = call.unwrap_or_else(|error| panic!("{error}"));
    in_time(incoming.answer(Audio::silence())).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
    let mut seen = loop {
        let (number, event) = next_numbered(&mut bob.app).await;
        if matches!(event, Event::State { state: CallState::Connected(_), .. }) {
            break number;
        }
    };
    let before = heard_meanwhile(&call, "123456", "before").await;
    while bob.app.last_number() > seen {
        (seen, _) = next_numbered(&mut bob.app).await;
    }

    // Everything of Bob's is gone at once, as when its task panics.
    let (token, id) = (bob.app.token(), incoming.id());
    drop(incoming);
    drop(bob.app);
    let meanwhile = heard_meanwhile(&call, "47#123", "meanwhile").await;
    assert!(before < 100.0 && meanwhile > 300.0, "the caller hears music: {before} then {meanwhile}");
    assert_eq!(call.state().kind(), StateKind::Connected);

    let wrong = bob.service.resume("mallory", token, Some(seen)).await;
    assert_eq!(wrong.err(), Some(Error::Refused(RequestError::NothingToResume)));
    let back = in_time(bob.service.resume("bob", token, Some(seen))).await;
    let mut back = back.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(back.lines.iter().map(|line| line.name()).collect::<Vec<_>>(), ["trunk"]);
    assert_eq!(
        back.calls.iter().map(|call| (call.id(), call.state().kind())).collect::<Vec<_>>(),
        [(id, StateKind::Connected)]
    );
    for expected in "47#123".chars() {
        let (number, event) = next_numbered(&mut back.application).await;
        seen += 1;
        assert_eq!(number, seen);
        assert!(
            matches!(event, Event::Digit { call, digit, .. } if call == id && digit == expected),
            "{event:?}"
        );
    }
    let again = bob.service.resume("bob", token, None).await;
    assert_eq!(again.err(), Some(Error::Refused(RequestError::NothingToResume)), "it is here");

    let after = heard_meanwhile(&call, "123456", "after").await;
    assert!(after < 100.0, "the music has stopped: {after}");
    in_time(back.calls[0].hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(in_time(call.ended()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_application_does_not_come_back_passes_on() {
    let (alice, bob) = pair().await;
    let mut first = attached(&bob.service, "first", Duration::from_millis(300)).await;
    let mut second = attached(&bob.service, "second", Duration::from_secs(10)).await;
    in_time(bob.app.close()).await.unwrap_or_else(|error| panic!("{error}"));
    let (call, incoming) = tokio::join!(alice.line.call("bob", Audio::silence()), offered(&mut first));
    let call = call.unwrap_or_else(|error| panic!("{error}"));
    in_time(incoming.answer(Audio::silence())).await.unwrap_or_else(|error| panic!("{error}"));
    let (token, id) = (first.token(), incoming.id());
    drop((first, incoming));
    let theirs = loop {
        if let Event::Appeared { call, state, privilege } = next(&mut second).await {
            assert_eq!((call.id(), state.kind(), privilege), (id, StateKind::Connected, Privilege::Owner));
            break call;
        }
    };
    let late = bob.service.resume("first", token, None).await;
    assert_eq!(late.err(), Some(Error::Refused(RequestError::NothingToResume)));
    in_time(theirs.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(in_time(call.ended()).await.is_some());
    let figures = in_time(bob.service.figures()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(figures.sessions, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offered_call_of_a_lost_application_passes_on_at_once() {
    let (alice, mut bob) = pair().await;
    let mut second = attached(&bob.service, "second", Duration::from_secs(10)).await;
    let (call, incoming) = tokio::join!(alice.line.call("bob", Audio::silence()), offered(&mut bob.app));
    let call = call.unwrap_or_else(|error| panic!("{error}"));
    drop((incoming, bob.app));
    let theirs = in_time(offered(&mut second)).await;
    in_time(theirs.answer(Audio::silence())).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(call.connected()).await.unwrap_or_else(|end| panic!("{end}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letting_go_of_a_handle_ends_the_call_and_closing_does_too() {
    let (mut alice, mut bob) = pair().await;
    let (call, incoming) = connected(&mut alice, &mut bob, "bob").await;
    drop(incoming);
    assert!(in_time(call.ended()).await.is_some());
    let (call, _incoming) = connected(&mut alice, &mut bob, "bob").await;
    in_time(bob.app.close()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(in_time(call.ended()).await.is_some());
}

/// A service with two lines in two shards.
async fn two_shards() -> (Service, Application) {
    let ((own, media), (other, _)) = (ports(), ports());
    let line = |name: &str| {
        format!(
            "[[line]]\nname = '{name}'\nregistrar = '127.0.0.1:{other}'\nuser = '{name}'\nregister = false\n"
        )
    };
    let text = format!(
        "[sip]\nlisten = ['udp:127.0.0.1:{own}']\nshards = 2\n[media]\naddress = '127.0.0.1'\n\
         ports = [{media}, {}]\n{}{}",
        media + 99,
        line("desk"),
        line("shop"),
    );
    let config = Config::parse(&text, "test.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let service = Service::start(config).unwrap_or_else(|error| panic!("{error}"));
    let app = service.attach("app").await.unwrap_or_else(|error| panic!("{error}"));
    for line in ["desk", "shop"] {
        app.open(line, Interest::monitor()).await.unwrap_or_else(|error| panic!("{error}"));
    }
    (service, app)
}

/// What a picture says, from its beginning to its end.
async fn picture(app: &mut Application) -> Vec<String> {
    let mut parts = Vec::new();
    loop {
        match next_numbered(app).await {
            (number, Event::SnapshotBegin) => parts = vec![format!("begin {number}")],
            (_, Event::SnapshotLine(line)) => parts.push(format!("{} {}", line.line, line.opens.len())),
            (_, Event::SnapshotCall { snapshot, .. }) => {
                parts.push(format!("{} {}", snapshot.state.kind(), snapshot.privilege.name()));
            }
            (_, Event::SnapshotEnd { begin }) => {
                parts.push(format!("end {begin}"));
                return parts;
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_of_all_shards_comes_in_the_stream_and_can_be_read_again() {
    let (service, mut app) = two_shards().await;
    let begin = in_time(app.snapshot()).await.unwrap_or_else(|error| panic!("{error}"));
    let expected = [format!("begin {begin}"), "line-0 1".into(), "line-1 1".into(), format!("end {begin}")];
    let mut parts = picture(&mut app).await;
    parts[1..3].sort();
    assert_eq!(parts, expected);
    app.read_from(begin);
    let mut parts = picture(&mut app).await;
    parts[1..3].sort();
    assert_eq!(parts, expected, "read again");

    let (token, last) = (app.token(), app.last_number());
    drop(app);
    let mut back =
        in_time(service.resume("app", token, Some(last))).await.unwrap_or_else(|error| panic!("{error}"));
    let mut names: Vec<_> = back.lines.iter().map(|line| line.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["desk", "shop"]);
    in_time(back.application.snapshot()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(picture(&mut back.application).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_shows_calls_as_they_are() {
    let (mut alice, mut bob) = pair().await;
    let (call, incoming) = connected(&mut alice, &mut bob, "bob").await;
    in_time(bob.app.snapshot()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(picture(&mut bob.app).await[1..3], ["line-0 1", "connected owner"]);
    drop((call, incoming));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_for_calls_wait_in_one_queue_for_the_first_recipient() {
    let (service, mut app) = two_shards().await;
    let none = in_time(service.request_call(CallRequest::to("tel:+4930123"))).await;
    assert_eq!(none, Err(Error::Refused(RequestError::NoRequestRecipient)));
    let mut clerk = service.attach("clerk").await.unwrap_or_else(|error| panic!("{error}"));
    for recipient in [&app, &clerk] {
        in_time(recipient.register_recipient()).await.unwrap_or_else(|error| panic!("{error}"));
    }
    in_time(app.set_recipient_priority(&["clerk"])).await.unwrap_or_else(|error| panic!("{error}"));
    for number in ["tel:1", "tel:2"] {
        let what = CallRequest { requester: "browser".into(), ..CallRequest::to(number) };
        in_time(service.request_call(what)).await.unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(matches!(next(&mut clerk).await, Event::RequestWaiting));
    let seen = clerk.last_number();
    for number in ["tel:1", "tel:2"] {
        let taken = in_time(clerk.take_request()).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(taken.map(|what| what.destination), Some(number.into()));
    }
    assert_eq!(in_time(clerk.take_request()).await, Ok(None));
    assert_eq!(clerk.last_number(), seen, "said once");

    // Who is lost is not told; who is next is.
    drop(clerk);
    in_time(service.request_call(CallRequest::to("tel:3"))).await.unwrap_or_else(|error| panic!("{error}"));
    loop {
        if matches!(next(&mut app).await, Event::RequestWaiting) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_applications_is_given_back_to_be_stored() {
    let (service, app) = two_shards().await;
    let order = ["second", "first"];
    let before = service.priorities();
    let (set, changed) = tokio::join!(
        app.set_priority(hookswitch::MediaType::Voice, &order),
        in_time(service.priorities_changed(&before))
    );
    assert_eq!(set, Ok(()));
    assert_eq!(changed, service.priorities());
    let stored: Vec<&str> = changed.order(hookswitch::MediaType::Voice).iter().map(|name| &**name).collect();
    assert_eq!(stored, order);
    let none = in_time(app.open_any(Interest::owner(VOICE), hookswitch::CallOptions::default())).await;
    assert!(none.is_ok(), "{none:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_caps_the_grace_of_its_applications() {
    let (own, media) = ports();
    let text = format!(
        "[sip]\nlisten = ['udp:127.0.0.1:{own}']\n[media]\naddress = '127.0.0.1'\nports = [{media}, {}]\n\
         [[line]]\nname = 'trunk'\nregistrar = '127.0.0.1:9'\nuser = 'x'\nregister = false\n",
        media + 99
    );
    let config = Config::parse(&text, "test.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let options = ServiceOptions::default().longest_grace(Duration::ZERO);
    let service = Service::start_with(config, options).unwrap_or_else(|error| panic!("{error}"));
    let app = attached(&service, "app", Duration::from_secs(60)).await;
    let token = app.token();
    drop(app);
    let late = in_time(service.resume("app", token, None)).await;
    assert_eq!(late.err(), Some(Error::Refused(RequestError::NothingToResume)));
    let figures = in_time(service.figures()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(figures.sessions, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launcher_starts_who_takes_requests_for_calls() {
    let (service, mut app) = two_shards().await;
    let launched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&launched);
    assert!(service.set_launcher(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    in_time(service.request_call(CallRequest::to("tel:1"))).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(launched.load(Ordering::SeqCst), 1);
    in_time(app.register_recipient()).await.unwrap_or_else(|error| panic!("{error}"));
    loop {
        if matches!(next(&mut app).await, Event::RequestWaiting) {
            break;
        }
    }
    let too_long = CallRequest { comment: "x".repeat(2_000), ..CallRequest::to("tel:1") };
    let refused = in_time(service.request_call(too_long)).await;
    assert_eq!(refused, Err(Error::Refused(RequestError::InvalidCallRequest(CallRequest::LONGEST))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_with_a_call_goes_with_it_to_the_next_owner() {
    let (mut alice, mut bob) = pair().await;
    let mut second = attached(&bob.service, "second", Duration::from_secs(10)).await;
    let (call, incoming) = connected(&mut alice, &mut bob, "bob").await;
    in_time(incoming.set_call_data(b"order 7")).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(incoming.set_app_specific(42)).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(bob.app.hand_off(&incoming, "second")).await.unwrap_or_else(|error| panic!("{error}"));
    let theirs = loop {
        if let Event::Appeared { call, privilege: Privilege::Owner, .. } = next(&mut second).await {
            break call;
        }
    };
    let known = in_time(theirs.snapshot()).await.unwrap_or_else(|error| panic!("{error}"));
    let info = known.info.unwrap_or_else(|| panic!("nothing is known"));
    assert_eq!((&*info.call_data, info.app_specific), (&b"order 7"[..], 42));
    assert_eq!((known.owners, known.privilege), (2, Privilege::Owner));
    assert!(known.possible.contains(hookswitch::Feature::Drop));

    // The giver lets go, and is no owner any more.
    in_time(incoming.step_back()).await.unwrap_or_else(|error| panic!("{error}"));
    let refused = in_time(incoming.set_app_specific(1)).await;
    assert_eq!(refused, Err(Error::Refused(RequestError::NotOwner(incoming.id()))));
    let several = MediaTypes::VOICE.with(hookswitch::MediaType::Fax);
    assert!(in_time(theirs.set_media_type(several)).await.is_err(), "more than one only with unknown");

    let line = in_time(bob.line.status()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((line.open, line.calls.all()), (true, 1));
    let address = in_time(bob.line.address_id("901")).await.unwrap_or_else(|error| panic!("{error}"));
    let status = in_time(bob.line.address_status(address)).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.calls.all(), 0, "the call is for another of its addresses");
    in_time(incoming.release()).await.unwrap_or_else(|error| panic!("{error}"));
    in_time(theirs.hang_up()).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(in_time(call.ended()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_return_that_is_given_up_on_the_way_can_be_made_again() {
    let (own, media) = ports();
    let text = format!(
        "[sip]\nlisten = ['udp:127.0.0.1:{own}']\n[media]\naddress = '127.0.0.1'\nports = [{media}, {}]\n\
         [[line]]\nname = 'trunk'\nregistrar = '127.0.0.1:9'\nuser = 'x'\nregister = false\n",
        media + 99
    );
    let config = Config::parse(&text, "test.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let service = Service::start(config).unwrap_or_else(|error| panic!("{error}"));
    let app = attached(&service, "app", Duration::from_secs(60)).await;
    let token = app.token();
    drop(app);
    let mut hasty = Box::pin(service.resume("app", token, None));
    let first = std::future::poll_fn(|cx| std::task::Poll::Ready(hasty.as_mut().poll(cx).is_pending())).await;
    drop(hasty);
    if first {
        let back = in_time(service.resume("app", token, None)).await;
        assert!(back.is_ok_and(|back| back.lines.len() == 1), "nobody can act for it any more");
    }
}
