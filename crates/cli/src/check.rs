//! `hookswitch check`: is a configuration right, and what does it say?

use crate::args::Check;
use crate::failure::Failure;
use crate::setup::{DEFAULT_CONFIG, Source};
use crate::terminal::Terminal;
use hookswitch::config::{Config, Listen};

/// The example with every key explained.
pub(crate) const EXAMPLE: &str = include_str!("../../../hookswitch.example.toml");

pub(crate) fn run(terminal: &Terminal, options: &Check, source: &Source) -> Result<(), Failure> {
    if options.example {
        terminal.say(EXAMPLE.trim_end());
        return Ok(());
    }
    if let Some(store) = source.store() {
        let store = store.display();
        return Err(Failure::Usage(format!(
            "check reads a configuration file; the installed provider is checked by `hookswitch provider show --store {store}`"
        )));
    }
    let path = options.file.as_deref().or(source.file()).unwrap_or(DEFAULT_CONFIG.as_ref());
    let config = Config::load(path)?;
    terminal.say(format!("{}: {}", path.display(), terminal.good("right")));
    for line in summary(&config) {
        terminal.say(format!("  {line}"));
    }
    Ok(())
}

/// What the file says, a line for each thing that will run.
pub(crate) fn summary(config: &Config) -> Vec<String> {
    let mut lines = vec![format!("sip         {}", listens(&config.sip.listen))];
    let media = &config.media;
    let (first, last) = (media.ports.start(), media.ports.end());
    lines.push(format!("media       {} ports {first} to {last}", media.address));
    for (n, line) in config.lines.iter().enumerate() {
        let how = if line.register { "registers with" } else { "trunk to" };
        let number = config.installed.as_ref().and_then(|known| known.lines.get(n));
        let mut text = format!(
            "line        {}{}: sip:{}@{}, {how} {}, profile {}",
            number.map(|number| format!("{number} ")).unwrap_or_default(),
            line.name,
            line.user,
            line.domain,
            line.registrar.hostport(),
            line.profile.name
        );
        // Of a store only what stands in it is looked at.
        match (line.password.expose().is_empty(), &config.installed) {
            (true, None) if line.register => text.push_str(", without a password"),
            (true, _) => {}
            (false, None) => {}
            (false, Some(_)) => text.push_str(", password kept here"),
        }
        let rules = line.forward.rules.len();
        if rules > 0 {
            text.push_str(&format!(", {rules} forwarding {}", if rules == 1 { "rule" } else { "rules" }));
        }
        lines.push(text);
    }
    if config.lines.is_empty() {
        lines.push("no lines".to_owned());
    }
    for media in hookswitch::MediaType::ALL {
        let order = config.priorities.order(media);
        if !order.is_empty() {
            lines.push(format!("priority    {media}: {}", order.join(", ")));
        }
    }
    if !config.priorities.recipients().is_empty() {
        lines.push(format!("priority    requests for calls: {}", config.priorities.recipients().join(", ")));
    }
    if let Some(switch) = &config.softswitch {
        let listen: Vec<Listen> = switch
            .listen
            .iter()
            .map(|(transport, address)| Listen { transport: *transport, address: *address })
            .collect();
        lines.push(format!(
            "softswitch  {} domain {}, {} accounts, echo {}, tone {}, music {}",
            listens(&listen),
            switch.domain,
            switch.accounts.len(),
            switch.echo,
            switch.tone,
            switch.music
        ));
    }
    lines
}

fn listens(listen: &[Listen]) -> String {
    let names: Vec<String> = listen
        .iter()
        .map(|socket| format!("{}:{}", socket.transport.via_name().to_ascii_lowercase(), socket.address))
        .collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_right_and_names_every_key() {
        let config =
            Config::parse(EXAMPLE, "hookswitch.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.lines.len(), 2);
        for key in [
            "listen",
            "advertise",
            "user-agent",
            "shards",
            "session-expires",
            "address",
            "ports",
            "threads",
            "unowned",
            "default-line",
            "priorities",
            "name",
            "profile",
            "registrar",
            "domain",
            "user",
            "auth-user",
            "password",
            "password-file",
            "password-env",
            "realm",
            "display-name",
            "register",
            "numbers",
            "accept-from",
            "max-calls",
            "media",
            "forward",
            "no-answer-seconds",
            "when",
            "from",
            "origin",
            "to",
            "echo",
            "tone",
            "music",
            "account",
        ] {
            assert!(EXAMPLE.contains(key), "the example does not mention {key}");
        }
    }
}
