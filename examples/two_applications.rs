//! Two applications share a line: the reception answers every call with music and hands it to the support when the caller
//! presses 0. The caller notices nothing, and no SIP message is sent.
//!
//! `cargo run -p hookswitch --example two_applications -- hookswitch.toml LINE`

use hookswitch::{Application, Audio, Call, Error, Event, HandOffTarget, Interest, MediaType, MediaTypes};
use hookswitch::{Privilege, Service, config::Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(line)) = (args.next(), args.next()) else {
        return Err("usage: two_applications CONFIG LINE".into());
    };
    let service = Service::start(Config::load(file.as_ref())?)?;
    let mut reception = service.attach("reception").await?;
    let support = service.attach("support").await?;
    for app in [&reception, &support] {
        app.open(&line, Interest::owner(MediaTypes::VOICE)).await?;
    }
    reception.set_priority(MediaType::Voice, &["reception", "support"]).await?;
    tokio::spawn(assist(support));
    while let Some(event) = reception.next().await {
        if let Event::Offered(call) = event {
            tokio::spawn(receive(call));
        }
    }
    Ok(())
}

async fn receive(call: Call) -> Result<(), Error> {
    call.answer(Audio::music()).await?;
    while let Some(digit) = call.next_digit().await {
        if digit == '0' {
            // Our own handle goes away with this task; the support owns the call.
            return call.hand_off(HandOffTarget::Application("support".into())).await.map(drop);
        }
    }
    Ok(())
}

async fn assist(mut app: Application) -> Result<(), Error> {
    while let Some(event) = app.next().await {
        if let Event::Appeared { call, privilege: Privilege::Owner, .. } = event {
            println!("{call:?} from {:?}", call.first_info().map(|info| &info.caller));
            call.play(Audio::tone(440)).await?;
            tokio::spawn(async move { call.ended().await });
        }
    }
    Ok(())
}
