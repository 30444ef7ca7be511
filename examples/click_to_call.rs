//! Calls an agent, and connects whoever answers with a customer: the button on a web page.
//!
//! `cargo run -p hookswitch --example click_to_call -- hookswitch.toml LINE AGENT CUSTOMER`

use hookswitch::{Audio, Interest, Service, config::Config};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, line, agent, customer] = args.as_slice() else {
        return Err("usage: click_to_call CONFIG LINE AGENT CUSTOMER".into());
    };
    let service = Service::start(Config::load(file.as_ref())?)?;
    let app = service.attach("click to call").await?;
    let line = app.open(line, Interest::NONE).await?;
    line.in_service(Duration::from_secs(10)).await?;

    let call = line.call_for(agent, Audio::music(), Duration::from_secs(30)).await?;
    match call.connected().await {
        Ok(()) => {
            println!("{agent} has answered: transferring to {customer}");
            let outcome = call.transfer(customer, Duration::from_secs(60)).await?;
            println!("{customer}: {outcome:?}");
        }
        Err(end) => println!("{agent} was not reached: {end}"),
    }
    drop((call, line));
    app.close().await?;
    service.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
