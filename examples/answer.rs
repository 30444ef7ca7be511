//! Registers a line and answers every call with a WAV file.
//!
//! `cargo run -p hookswitch --example answer -- hookswitch.toml LINE greeting.wav`

use hookswitch::{Audio, Event, Interest, MediaTypes, Service, config::Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(line), Some(wav)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: answer CONFIG LINE WAV".into());
    };
    let service = Service::start(Config::load(file.as_ref())?)?;
    let mut app = service.attach("answer").await?;
    app.open(&line, Interest::owner(MediaTypes::VOICE)).await?;
    while let Some(event) = app.next().await {
        println!("{event:?}");
        if let Event::Offered(call) = event {
            let audio = Audio::file(&wav);
            tokio::spawn(async move {
                call.answer(audio).await?;
                call.ended().await;
                println!("{}", call.ladder().await?);
                Ok::<(), hookswitch::Error>(())
            });
        }
    }
    Ok(())
}
