//! Answers callers and asks a colleague about each: if the colleague answers, the two are connected, else the caller comes back
//! and hears a tone.
//!
//! `cargo run -p hookswitch --example consult -- hookswitch.toml LINE COLLEAGUE`

use hookswitch::{Audio, Call, Error, Event, Interest, MediaTypes, Service, config::Config};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, line, colleague] = args.as_slice() else {
        return Err("usage: consult CONFIG LINE COLLEAGUE".into());
    };
    let service = Service::start(Config::load(file.as_ref())?)?;
    let mut app = service.attach("consult").await?;
    app.open(line, Interest::owner(MediaTypes::VOICE)).await?;
    while let Some(event) = app.next().await {
        if let Event::Offered(call) = event {
            let colleague = colleague.clone();
            tokio::spawn(async move {
                if let Err(error) = attend(&call, &colleague).await {
                    println!("{call:?}: {error}");
                }
            });
        }
    }
    Ok(())
}

async fn attend(call: &Call, colleague: &str) -> Result<(), Error> {
    call.answer(Audio::music()).await?;
    // The caller is on hold from here on; what this side says, the colleague hears.
    let consultation = call.consult(colleague, Audio::silence()).await?;
    println!("{call:?}: asking {colleague}");
    let answered = tokio::time::timeout(Duration::from_secs(20), consultation.connected()).await;
    if matches!(answered, Ok(Ok(()))) {
        let outcome = call.complete_transfer(&consultation, Duration::from_secs(30)).await?;
        println!("{call:?}: connected with {colleague}: {outcome:?}");
        // Bridged: the two talk through here, so this side stays until they have done.
        call.ended().await;
        return Ok(());
    }
    println!("{call:?}: {colleague} was not reached");
    match answered {
        // The colleague's telephone still rings: taking the caller back ends that.
        Err(_) => call.retrieve().await?,
        // The consultation has ended: the caller comes back by itself.
        Ok(_) => drop(call.connected().await),
    }
    call.play(Audio::tone(480)).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    call.hang_up().await
}
