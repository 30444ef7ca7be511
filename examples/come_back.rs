//! An application that is lost in the middle of a call and comes back: when the caller presses #, the task that serves the call
//! panics. The caller hears music until the application is there again, with the call and every event since.
//!
//! `cargo run -p hookswitch --example come_back -- hookswitch.toml LINE`

use hookswitch::{Application, AttachOptions, Audio, Call, CallState, Event, Interest, MediaTypes};
use hookswitch::{Service, config::Config};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NAME: &str = "come back";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(line)) = (args.next(), args.next()) else {
        return Err("usage: come_back CONFIG LINE".into());
    };
    let service = Service::start(Config::load(file.as_ref())?)?;
    // So long do answered calls wait for it.
    let options = AttachOptions::default().grace(Duration::from_secs(30));
    let app = service.attach_with(NAME, options).await?;
    app.open(&line, Interest::owner(MediaTypes::VOICE)).await?;

    // What it takes to come back: the token, and the number of the last event that was dealt with.
    let token = app.token();
    let seen = Arc::new(AtomicU64::new(0));
    let mut serving = tokio::spawn(serve(app, Vec::new(), Arc::clone(&seen)));
    while serving.await.is_err() {
        println!("lost; back in three seconds");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let back = service.resume(NAME, token, Some(seen.load(Ordering::Relaxed))).await?;
        println!("back, with {:?}", back.calls);
        serving = tokio::spawn(serve(back.application, back.calls, Arc::clone(&seen)));
    }
    Ok(())
}

/// The application and its calls belong to this task, and are lost with it.
async fn serve(mut app: Application, mut calls: Vec<Call>, seen: Arc<AtomicU64>) {
    while let Some((number, event)) = app.next_numbered().await {
        println!("event {number}: {event:?}");
        seen.store(number, Ordering::Relaxed);
        match event {
            Event::Offered(call) => match call.answer(Audio::tone(440)).await {
                Ok(()) => calls.push(call),
                Err(error) => println!("{call:?}: {error}"),
            },
            Event::State { call, state: CallState::Disconnected(_), .. } => {
                calls.retain(|known| known.id() != call);
            }
            Event::Digit { digit: '#', .. } => panic!("the caller has pressed #"),
            _ => {}
        }
    }
}
