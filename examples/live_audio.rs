//! Answers with audio that this program makes, frame by frame: what the caller says comes back a second later, backwards in
//! phase. A speech recogniser or a voice assistant would sit in the same place.
//!
//! `cargo run -p hookswitch --example live_audio -- hookswitch.toml LINE`

use hookswitch::{Call, Event, Interest, MediaTypes, Service, config::Config};
use std::collections::VecDeque;

/// Samples a second.
const RATE: u32 = 8_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(line)) = (args.next(), args.next()) else {
        return Err("usage: live_audio CONFIG LINE".into());
    };
    let service = Service::start(Config::load(file.as_ref())?)?;
    let mut app = service.attach("live audio").await?;
    app.open(&line, Interest::owner(MediaTypes::VOICE)).await?;
    while let Some(event) = app.next().await {
        if let Event::Offered(call) = event {
            tokio::spawn(answer(call));
        }
    }
    Ok(())
}

async fn answer(call: Call) -> Result<(), hookswitch::Error> {
    let mut audio = call.answer_live(RATE).await?;
    let mut delayed: VecDeque<i16> = std::iter::repeat_n(0, RATE as usize).collect();
    let mut frame = [0i16; 160]; // 20 ms
    while audio.read(&mut frame).await {
        delayed.extend(frame.iter().map(|sample| sample.saturating_neg()));
        let echo: Vec<i16> = delayed.drain(..frame.len()).collect();
        audio.write(&echo);
    }
    Ok(())
}
