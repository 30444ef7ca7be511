//! An operator sees every call of a line, whoever owns it, and takes those that nobody answers within five seconds. The desk that
//! owns the calls here never answers.
//!
//! `cargo run -p hookswitch --example operator -- hookswitch.toml LINE`

use hookswitch::{Application, Audio, Call, Error, Event, Interest, MediaTypes, Service, StateKind};
use hookswitch::{Privilege, config::Config};
use std::time::Duration;

/// So long may the desk take.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(line)) = (args.next(), args.next()) else {
        return Err("usage: operator CONFIG LINE".into());
    };
    let service = Service::start(Config::load(file.as_ref())?)?;
    let desk = service.attach("desk").await?;
    desk.open(&line, Interest::owner(MediaTypes::VOICE)).await?;
    tokio::spawn(sleep_at_the_desk(desk));

    let mut operator = service.attach("operator").await?;
    let line = operator.open(&line, Interest::monitor()).await?;
    // Calls that were there before; none here, as the service has just begun.
    for call in line.existing_calls().await? {
        println!("{call:?} was there before");
    }
    while let Some(event) = operator.next().await {
        match event {
            Event::Appeared { call, state, privilege: Privilege::Monitor, .. } => {
                println!("{call:?} {state}, from {:?}", call.first_info().map(|info| &info.caller.address));
                tokio::spawn(async move {
                    if let Err(error) = look_after(&call).await {
                        println!("{call:?}: {error}");
                    }
                });
            }
            Event::State { call, state, .. } => println!("{call} {state}"),
            _ => {}
        }
    }
    Ok(())
}

/// Keeps its calls, and does nothing with them.
async fn sleep_at_the_desk(mut app: Application) {
    let mut calls = Vec::new();
    while let Some(event) = app.next().await {
        match event {
            Event::Offered(call) => calls.push(call),
            // Told to those who did not ask for the change.
            Event::Owners { call, owners, monitors } => {
                println!("the desk hears: {call} has {owners} owners and {monitors} monitors");
            }
            _ => {}
        }
    }
}

async fn look_after(call: &Call) -> Result<(), Error> {
    let waiting = |kind| matches!(kind, StateKind::Offering | StateKind::Accepted);
    let decided = call.wait_for(|state| !waiting(state.kind()));
    if tokio::time::timeout(PATIENCE, decided).await.is_err() {
        // The desk stays an owner beside the operator, until it lets go.
        call.take_ownership().await?;
        call.answer(Audio::tone(440)).await?;
        println!("{call:?} was taken");
    }
    call.ended().await;
    Ok(())
}
