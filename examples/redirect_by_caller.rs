//! Sends callers on by who they are: `FROM=TO` for each rule; whoever has no rule hears that the line is busy.
//!
//! `cargo run -p hookswitch --example redirect_by_caller -- hookswitch.toml LINE 1001=600 +4930=2000`

use hookswitch::{Event, Interest, MediaTypes, RejectReason, Service, config::Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(line)) = (args.next(), args.next()) else {
        return Err("usage: redirect_by_caller CONFIG LINE FROM=TO...".into());
    };
    let rules: Vec<(String, String)> =
        args.filter_map(|rule| rule.split_once('=').map(|(from, to)| (from.into(), to.into()))).collect();
    let service = Service::start(Config::load(file.as_ref())?)?;
    let mut app = service.attach("redirect by caller").await?;
    app.open(&line, Interest::owner(MediaTypes::VOICE)).await?;
    while let Some(event) = app.next().await {
        let Event::Offered(call) = event else { continue };
        // A URI (sip:1001@example.org) or a number: rules match the beginning of its user part.
        let caller = call.first_info().map_or("", |info| &*info.caller.address);
        let user = caller.split_once(':').map_or(caller, |(_scheme, rest)| rest);
        let done = match rules.iter().find(|(from, _)| user.starts_with(from)) {
            Some((_, to)) => call.redirect(to).await,
            None => call.drop_call(RejectReason::Busy).await,
        };
        println!("{caller}: {done:?}");
    }
    Ok(())
}
