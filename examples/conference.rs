//! Calls two or more parties and makes a conference of them: each hears all others and this side's tone, but not itself.
//!
//! `cargo run -p hookswitch --example conference -- hookswitch.toml LINE PARTY PARTY...`

use hookswitch::{Audio, Interest, Service, config::Config};
use std::time::Duration;

/// How long the conference lasts, unless it ends before.
const LASTS: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, line, first, second, more @ ..] = args.as_slice() else {
        return Err("usage: conference CONFIG LINE PARTY PARTY...".into());
    };
    let service = Service::start(Config::load(file.as_ref())?)?;
    let app = service.attach("conference").await?;
    let line = app.open(line, Interest::NONE).await?;
    line.in_service(Duration::from_secs(10)).await?;

    let first_call = line.call(first, Audio::silence()).await?;
    first_call.connected().await.map_err(|end| format!("{first} was not reached: {end}"))?;
    println!("{first} has answered");

    // The first call becomes a member; the conference waits on hold while the next party is called.
    let set_up = line.set_up_conference(Some(&first_call), second, Audio::silence()).await?;
    let conference = set_up.call;
    let mut members = vec![first_call];
    let mut next = set_up.next;
    let mut names = std::iter::once(second).chain(more);
    while let (Some(call), Some(name)) = (next.take(), names.next()) {
        match call.connected().await {
            Ok(()) => {
                conference.add_member(&call).await?;
                println!("{name} has answered and is in");
                members.push(call);
            }
            Err(end) => {
                println!("{name} was not reached: {end}");
                // The conference comes back by itself; without a second party there is none any more.
                if conference.connected().await.is_err() {
                    return Err("nobody is left for a conference".into());
                }
            }
        }
        // As before: the conference waits while another party is called.
        if let Some(name) = names.clone().next() {
            next = Some(conference.call_next(name, Audio::silence()).await?);
        }
    }
    conference.play(Audio::tone(440)).await?;
    println!("{} members; it ends when they have left, or in {LASTS:?}", members.len());

    // When all but one have left, there is no conference any more: the last party's call is an ordinary one.
    let all_gone = async {
        for member in &members {
            member.ended().await;
        }
    };
    if tokio::time::timeout(LASTS, all_gone).await.is_err() {
        for member in &members {
            println!("{member:?}");
        }
    }
    drop((conference, members, line));
    app.close().await?;
    service.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
