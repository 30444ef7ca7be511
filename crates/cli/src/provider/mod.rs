//! `hookswitch provider`: install, configure, show, remove.

mod args;

pub(crate) use args::Provider;

use crate::check;
use crate::failure::Failure;
use crate::setup::{DEFAULT_CONFIG, Source};
use crate::terminal::Terminal;
use args::{AddLine, ChangeLine, Command, ConfigCommand, Install, Password, Remove, Set};
use hookswitch::config::{Installation, Value};
use std::io::{BufRead, IsTerminal, Read};
use std::path::Path;

/// The longest password taken from standard input.
const LONGEST_PASSWORD: u64 = 4_096;

/// When a change takes effect.
const AT_ONCE: &str = "running services use it at once";
const NEXT_START: &str = "running services are told; it takes effect when they start again";

pub(crate) fn run(terminal: &Terminal, options: &Provider, source: &Source) -> Result<(), Failure> {
    if let Some(file) = source.file() {
        return Err(Failure::Usage(format!(
            "expected --store FOLDER, or nothing, but got --config {0}: the provider is a store, not a file; \
             `hookswitch provider install {0}` begins one with what that file says",
            file.display()
        )));
    }
    let installation = &source.installation();
    match &options.command {
        Command::Install(options) => install(terminal, options, installation),
        Command::Show => show(terminal, installation),
        Command::Remove(options) => remove(terminal, options, installation),
        Command::Config(options) => match &options.command {
            ConfigCommand::AddLine(options) => add_line(terminal, options, installation),
            ConfigCommand::ChangeLine(options) => change_line(terminal, options, installation),
            ConfigCommand::RemoveLine(options) => {
                let number = installation.configure(|document| Ok(document.remove_line(&options.name)?))?;
                let name = &options.name;
                terminal.say(format!(
                    "removed line {name}, number {number}: it disappears from running services, its calls end"
                ));
                Ok(())
            }
            ConfigCommand::Set(options) => set(terminal, options, installation),
            ConfigCommand::Unset(options) => {
                installation.configure(|document| Ok(document.set(&options.option, None)?))?;
                terminal.say(format!("unset {}: {NEXT_START}", options.option));
                Ok(())
            }
        },
    }
}

fn install(terminal: &Terminal, options: &Install, installation: &Installation) -> Result<(), Failure> {
    let config = installation.install(options.file.as_deref())?;
    let path = installation.path().display();
    match config.lines.len() {
        0 => {
            terminal.say(format!("{}: {path}, without lines", terminal.good("installed")));
            terminal.say(terminal.quiet(format!(
                "next: hookswitch provider config add-line desk --registrar pbx.example.org --user 1001 --password-stdin{}",
                store(installation, Reads::StoreOnly)
            )));
        }
        lines => {
            let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
            terminal.say(format!("{}: {path}, with {lines}", terminal.good("installed")));
            let store = store(installation, Reads::FileFirst);
            terminal
                .say(terminal.quiet(format!("next: hookswitch register --once{store} tries the accounts")));
        }
    }
    Ok(())
}

/// Where a command that is advised reads its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// In the store.
    StoreOnly,
    /// In the configuration file that lies here, if there is one.
    FileFirst,
}

/// What a command that is advised needs so that it means this store.
fn store(installation: &Installation, reads: Reads) -> String {
    let folder = installation.path().parent().unwrap_or(Path::new("."));
    let found = folder == Installation::default_folder()
        && (reads == Reads::StoreOnly || !Path::new(DEFAULT_CONFIG).exists());
    if found { String::new() } else { format!(" --store {}", folder.display()) }
}

fn show(terminal: &Terminal, installation: &Installation) -> Result<(), Failure> {
    let config = installation.read_without_passwords()?;
    terminal.say(format!("{}: {}", installation.path().display(), terminal.good("right")));
    if let Some(known) = &config.installed {
        terminal.say(format!("  provider    {}, change {}", known.provider, known.serial));
    }
    for line in check::summary(&config) {
        terminal.say(format!("  {line}"));
    }
    if let Some(readers) = others_can_read(installation) {
        let advice = format!("{readers} can read this file; chmod 600 {}", installation.path().display());
        terminal.say(terminal.bad(format!("  {advice}")));
    }
    Ok(())
}

/// Who else can read the file, where that can be known.
#[cfg(unix)]
fn others_can_read(installation: &Installation) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(installation.path()).ok()?.permissions().mode();
    match mode {
        mode if mode & 0o004 != 0 => Some("everybody"),
        mode if mode & 0o040 != 0 => Some("the file's group"),
        _ => None,
    }
}

#[cfg(not(unix))]
fn others_can_read(_: &Installation) -> Option<&'static str> {
    None
}

fn remove(terminal: &Terminal, options: &Remove, installation: &Installation) -> Result<(), Failure> {
    if !installation.is_installed() {
        // Says that nothing is installed.
        return Ok(installation.remove()?);
    }
    let path = installation.path().display();
    if !options.yes {
        return Err(Failure::Usage(format!(
            "this removes {path} with its lines and passwords; if that is meant: hookswitch provider remove --yes{}",
            store(installation, Reads::StoreOnly)
        )));
    }
    installation.remove()?;
    terminal.say(format!("removed: {path}"));
    terminal.say(terminal.quiet("services that run go on with what they have read until they end"));
    Ok(())
}

fn add_line(terminal: &Terminal, options: &AddLine, installation: &Installation) -> Result<(), Failure> {
    let mut keys = vec![
        ("registrar", Value::from(options.registrar.as_str())),
        ("user", Value::from(options.user.as_str())),
    ];
    keys.extend(password(&options.keys.password)?);
    keys.extend(options.keys.values());
    let number = installation.configure(|document| Ok(document.add_line(&options.name, keys)?))?;
    let name = &options.name;
    terminal.say(format!(
        "{} line {name}, number {number}: it appears in running services",
        terminal.good("added")
    ));
    let store = store(installation, Reads::FileFirst);
    terminal.say(terminal.quiet(format!("next: hookswitch register {name} --once{store} tries the account")));
    Ok(())
}

fn change_line(
    terminal: &Terminal,
    options: &ChangeLine,
    installation: &Installation,
) -> Result<(), Failure> {
    let mut keys: Vec<(&str, Option<Value>)> = Vec::new();
    let texts = [("name", &options.new_name), ("registrar", &options.registrar), ("user", &options.user)];
    keys.extend(texts.into_iter().filter_map(|(key, text)| Some((key, Some(Value::from(text.as_deref()?))))));
    if let Some(password) = password(&options.keys.password)? {
        // The new one takes the place of the old one, wherever that stood.
        let places = ["password", "password-file", "password-env"];
        keys.extend(places.into_iter().filter(|key| *key != password.0).map(|key| (key, None)));
        keys.push((password.0, Some(password.1)));
    }
    keys.extend(options.keys.values().into_iter().map(|(key, value)| (key, Some(value))));
    let given: Vec<String> = keys.iter().map(|(key, _)| (*key).to_owned()).collect();
    if let Some(twice) = options.defaults.iter().find(|key| given.contains(key)) {
        return Err(Failure::Usage(format!("{twice} is given a value and its default at once; choose one")));
    }
    keys.extend(options.defaults.iter().map(|key| (key.as_str(), None)));
    if keys.is_empty() {
        return Err(Failure::Usage(
            "nothing to change was given; see hookswitch provider config change-line --help".into(),
        ));
    }
    let access = |key: &str| {
        matches!(key, "password" | "password-file" | "password-env" | "auth-user" | "realm" | "accept-from")
    };
    let at_once = keys.iter().all(|(key, _)| access(key));
    installation.configure(|document| Ok(document.change_line(&options.line, keys)?))?;
    let effect = if at_once { AT_ONCE } else { NEXT_START };
    terminal.say(format!("changed line {}: {effect}", options.line));
    Ok(())
}

fn set(terminal: &Terminal, options: &Set, installation: &Installation) -> Result<(), Failure> {
    // What is no TOML value is a text: addresses and names need no quotes.
    let value = options.value.parse::<Value>().unwrap_or_else(|_| Value::from(options.value.as_str()));
    installation.configure(|document| Ok(document.set(&options.option, Some(value))?))?;
    let effect = if options.option.starts_with("priorities.") { AT_ONCE } else { NEXT_START };
    terminal.say(format!("set {}: {effect}", options.option));
    Ok(())
}

/// The password's key and value, if one is given.
fn password(options: &Password) -> Result<Option<(&'static str, Value)>, Failure> {
    if options.password_stdin {
        let mut text = String::new();
        let stdin = std::io::stdin();
        let read = if stdin.is_terminal() {
            eprint!("password, which is shown while it is typed, then Enter: ");
            stdin.lock().take(LONGEST_PASSWORD).read_line(&mut text)
        } else {
            stdin.lock().take(LONGEST_PASSWORD).read_to_string(&mut text)
        };
        read.map_err(|error| {
            Failure::Usage(format!("the password cannot be read from standard input: {error}"))
        })?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(Failure::Usage("standard input has no password; write one line to it".into()));
        }
        return Ok(Some(("password", Value::from(text))));
    }
    if let Some(file) = &options.password_file {
        // The store stands elsewhere than where the command was typed.
        let path = std::path::absolute(file)
            .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
        std::fs::File::open(&path)
            .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))?;
        return Ok(Some(("password-file", Value::from(path.display().to_string()))));
    }
    let given = |key, text: &Option<String>| text.as_deref().map(|text| (key, Value::from(text)));
    Ok(given("password", &options.password).or_else(|| given("password-env", &options.password_env)))
}

#[cfg(test)]
mod tests {
    use super::args::LineKeys;
    use clap::Parser;
    use hookswitch::config::Config;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        keys: LineKeys,
    }

    #[test]
    fn every_flag_of_a_line_is_a_key_of_the_file() {
        let typed = "x --profile asterisk --domain d --auth-user a --realm r --display-name n --trunk --number 1 --number 2 \
                     --accept-from 192.0.2.1 --max-calls 3 --media voice --forward busy=1 --forward no-answer=do-not-disturb \
                     --no-answer-seconds 20";
        let only = Only::try_parse_from(typed.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
        let mut text = String::from("[[line]]\nname = 'a'\nregistrar = 'h'\nuser = 'u'\n");
        for (key, value) in only.keys.values() {
            text.push_str(&format!("{key} = {value}\n"));
        }
        let config = Config::parse(&text, "x".as_ref()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let line = &config.lines[0];
        assert_eq!(
            (line.numbers.len(), line.register, line.max_calls, line.forward.rules.len()),
            (2, false, 3, 2)
        );
    }
}
