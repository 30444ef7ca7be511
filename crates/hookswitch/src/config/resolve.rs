//! From the file's tables to checked values.

use super::error::{ConfigError, Origin};
use super::{Config, Installed, Listen, MediaSettings, REQUESTS, SipConfig, file};
use hookswitch_machine::Transport;
use hookswitch_provider::{Account, AddressRange, Profile, Server};
use hookswitch_sip::auth::Secret;
use hookswitch_spi::{ForwardRule, ForwardTarget, ForwardingRules, MediaType, MediaTypes, RejectReason};
use hookswitch_store::{Document, LineNumber};
use hookswitch_telephony::{Priorities, Unowned};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

pub(super) fn config(file: file::File, origin: &Origin<'_>, directory: &Path) -> Result<Config, ConfigError> {
    let mut installed = installed(&file, origin)?;
    let mut without_id = None;
    let mut lines: Vec<Account> = Vec::with_capacity(file.lines.len());
    for table in file.lines {
        let span = table.span();
        if let (None, Some(id)) = (&installed, &table.get_ref().id) {
            return Err(origin.error(
                &id.span(),
                "id",
                "only lines of an installed provider have ids; leave it out",
            ));
        }
        match (&mut installed, &table.get_ref().id) {
            (Some(installed), Some(id)) => installed.lines.push(LineNumber(*id.get_ref())),
            (Some(_), None) => without_id = Some(span.clone()),
            (None, _) => {}
        }
        let account = line(table.into_inner(), origin, directory)?;
        if lines.iter().any(|other| other.name == account.name) {
            return Err(origin.error(
                &span,
                "name",
                format!("two lines are called {:?}; names are unique", account.name),
            ));
        }
        lines.push(account);
    }
    let default_listen = [
        Listen { transport: Transport::Udp, address: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 5060) },
        Listen { transport: Transport::Tcp, address: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 5060) },
    ];
    if let Some(ports) = &file.media.ports {
        let (low, high) = *ports.get_ref();
        let shards = file.sip.shards.as_ref().map_or(1, |n| *n.get_ref());
        if high > low && high - low < 4 * shards {
            let message = format!(
                "expected at least {} ports for {shards} shards, got {low} to {high}",
                4 * shards + 1
            );
            return Err(origin.error(&ports.span(), "media.ports", message));
        }
    }
    if let Some(span) = without_id {
        // Last of all: the store gives ids to lines that are right otherwise.
        return Err(origin.error(&span, "id", "this line has no id yet; the store gives it one"));
    }
    Ok(Config {
        sip: SipConfig {
            listen: listens(&file.sip.listen, &default_listen, "sip.listen", origin)?,
            advertise: file.sip.advertise.map(|a| address(&a, "sip.advertise", origin)).transpose()?,
            user_agent: match file.sip.user_agent {
                Some(text) => header_text(&text, "sip.user-agent", origin)?,
                None => concat!("Hookswitch/", env!("CARGO_PKG_VERSION")).to_owned(),
            },
            shards: match file.sip.shards {
                Some(n) if (1..=64).contains(n.get_ref()) => usize::from(*n.get_ref()),
                Some(n) => {
                    let message = format!("expected 1 to 64, not {}", n.get_ref());
                    return Err(origin.error(&n.span(), "sip.shards", message));
                }
                None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(64),
            }
            .min(lines.len().max(1)),
            session_expires: session_expires(file.sip.session_expires, origin)?,
        },
        media: media(file.media, origin)?,
        unowned: unowned(file.applications.unowned.as_ref(), origin)?,
        default_line: default_line(file.applications.default_line, &lines, origin)?,
        priorities: priorities(&file.priorities, origin)?,
        installed,
        lines,
        softswitch: file.softswitch.map(|table| softswitch(table, origin)).transpose()?,
    })
}

/// What only the file of a store has; `None` for a configuration file.
fn installed(file: &file::File, origin: &Origin<'_>) -> Result<Option<Installed>, ConfigError> {
    let head = [
        ("format", file.format.as_ref().map(Spanned::span)),
        ("provider", file.provider.as_ref().map(Spanned::span)),
        ("serial", file.serial.as_ref().map(Spanned::span)),
        ("next-line", file.next_line.as_ref().map(Spanned::span)),
    ];
    if origin.is_store {
        // The document checks what the store relies on, with the same places.
        let document = Document::parse(origin.text).map_err(|fault| ConfigError::fault(origin, &fault))?;
        return Ok(Some(Installed {
            provider: document.provider(),
            serial: document.serial(),
            lines: Vec::with_capacity(file.lines.len()),
            next_line: document.next_line(),
        }));
    }
    match head.into_iter().find_map(|(key, span)| Some((key, span?))) {
        Some((key, span)) => {
            let message = "this is the file of an installed provider; use it with --store and its folder, or take out format, provider, serial, next-line and the ids of lines";
            Err(origin.error(&span, key, message))
        }
        None => Ok(None),
    }
}

fn default_line(
    name: Option<Spanned<String>>,
    lines: &[Account],
    origin: &Origin<'_>,
) -> Result<Option<String>, ConfigError> {
    let Some(name) = name else { return Ok(None) };
    if lines.iter().any(|line| line.name == *name.get_ref()) {
        return Ok(Some(name.into_inner()));
    }
    let known = lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>().join(", ");
    let message = format!("expected the name of a line ({known}), not {:?}", name.get_ref());
    Err(origin.error(&name.span(), "applications.default-line", message))
}

fn priorities(table: &file::Priorities, origin: &Origin<'_>) -> Result<Priorities, ConfigError> {
    let order = |key: &str, list: &Option<Spanned<Vec<String>>>| -> Result<Vec<Box<str>>, ConfigError> {
        let Some(list) = list else { return Ok(Vec::new()) };
        let fits = |name: &String| !name.is_empty() && name.len() <= 255;
        if list.get_ref().len() > Priorities::MAX || !list.get_ref().iter().all(fits) {
            let message = format!(
                "expected at most {} names of applications, each of 1 to 255 octets, highest first",
                Priorities::MAX
            );
            return Err(origin.error(&list.span(), &format!("priorities.{key}"), message));
        }
        Ok(list.get_ref().iter().map(|name| name.as_str().into()).collect())
    };
    let mut priorities = Priorities::default();
    for (media, list) in [
        (MediaType::Voice, &table.voice),
        (MediaType::Fax, &table.fax),
        (MediaType::Text, &table.text),
        (MediaType::Data, &table.data),
        (MediaType::Video, &table.video),
        (MediaType::Unknown, &table.unknown),
    ] {
        priorities.set(media, order(media.name(), list)?);
    }
    priorities.set_recipients(order(REQUESTS, &table.requests)?);
    Ok(priorities)
}

fn unowned(text: Option<&Spanned<String>>, origin: &Origin<'_>) -> Result<Unowned, ConfigError> {
    let Some(text) = text else { return Ok(Unowned::Leave) };
    match text.get_ref().as_str() {
        "leave" => Ok(Unowned::Leave),
        "reject" => Ok(Unowned::Reject(RejectReason::Default)),
        address if address.contains('@') || address.bytes().any(|b| b.is_ascii_digit()) => {
            let rule = ForwardRule {
                when: hookswitch_spi::ForwardCondition::Unconditional,
                from: None,
                origin: None,
                to: ForwardTarget::Address(address.into()),
            };
            let rules = ForwardingRules { rules: vec![rule], no_answer_after: None };
            Account::checked_rules(rules, "localhost")
                .map(|_| Unowned::Forward(address.to_owned()))
                .map_err(|error| origin.error(&text.span(), "applications.unowned", error.to_string()))
        }
        other => Err(origin.error(
            &text.span(),
            "applications.unowned",
            format!("expected \"leave\", \"reject\", a number or an address to forward to, not {other:?}"),
        )),
    }
}

/// Seconds between 90, which RFC 4028 demands, and a day.
fn session_expires(value: Option<Spanned<u32>>, origin: &Origin<'_>) -> Result<Option<u32>, ConfigError> {
    match value {
        Some(seconds) if !(90..=86_400).contains(seconds.get_ref()) => {
            let message = format!("expected 90 to 86400 seconds, not {}", seconds.get_ref());
            Err(origin.error(&seconds.span(), "sip.session-expires", message))
        }
        value => Ok(value.map(Spanned::into_inner)),
    }
}

fn media(table: file::Media, origin: &Origin<'_>) -> Result<MediaSettings, ConfigError> {
    let ports = match table.ports {
        None => 16_384..=32_766,
        Some(ports) => {
            let (low, high) = *ports.get_ref();
            if low < 1_024 || high <= low {
                let message = format!(
                    "expected a low and a high port, 1024 or above, such as [16384, 32766], not [{low}, {high}]"
                );
                return Err(origin.error(&ports.span(), "media.ports", message));
            }
            low..=high
        }
    };
    let threads = match table.threads {
        None => 1,
        Some(threads) if (1..=64).contains(threads.get_ref()) => usize::from(*threads.get_ref()),
        Some(threads) => {
            let message = format!("expected 1 to 64, not {}", threads.get_ref());
            return Err(origin.error(&threads.span(), "media.threads", message));
        }
    };
    Ok(MediaSettings {
        address: match table.address {
            Some(a) => address(&a, "media.address", origin)?,
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        },
        advertise: table.advertise.map(|a| address(&a, "media.advertise", origin)).transpose()?,
        ports,
        threads,
    })
}

fn line(table: file::Line, origin: &Origin<'_>, directory: &Path) -> Result<Account, ConfigError> {
    let registrar: Server = table.registrar.get_ref().parse().map_err(|expected: String| {
        origin.error(&table.registrar.span(), "registrar", format!("expected {expected}"))
    })?;
    let user = user_part(&table.user, "user", origin)?;
    let password = password(&table, origin, directory)?;
    let domain = match &table.domain {
        None => registrar.hostport(),
        Some(text) => {
            let domain: Server = text.get_ref().parse().map_err(|expected: String| {
                origin.error(&text.span(), "domain", format!("expected {expected}"))
            })?;
            domain.hostport()
        }
    };
    if table.name.get_ref().trim().is_empty() {
        return Err(origin.error(
            &table.name.span(),
            "name",
            "expected a name: it is how applications open the line",
        ));
    }
    if let Some(media) = table.media.as_ref().filter(|media| media.get_ref().is_empty()) {
        return Err(origin.error(
            &media.span(),
            "media",
            "expected at least one media type, such as [\"voice\"]",
        ));
    }
    if let Some(number) = table.numbers.get(1_000) {
        return Err(origin.error(&number.span(), "numbers", "expected at most 1000 numbers on one line"));
    }
    let no_answer_after = table.no_answer_seconds.as_ref().map(|s| Duration::from_secs(*s.get_ref()));
    let mut forward = ForwardingRules { rules: Vec::new(), no_answer_after };
    for rule in table.forward {
        let (span, to) = (rule.span(), rule.get_ref().to.span());
        forward.rules.push(forward_rule(rule.into_inner()));
        if let Err(error) = Account::checked_rules(forward.clone(), &domain) {
            let place = if forward.rules.len() > 16 { span } else { to };
            return Err(origin.error(&place, "forward", error.to_string()));
        }
    }
    let max_calls = match table.max_calls {
        None => 100,
        Some(n) if (1..=100_000).contains(n.get_ref()) => *n.get_ref(),
        Some(n) => {
            return Err(origin.error(
                &n.span(),
                "max-calls",
                format!("expected 1 to 100000, not {}", n.get_ref()),
            ));
        }
    };
    let mut accept_from: Vec<AddressRange> = Vec::new();
    for range in &table.accept_from {
        accept_from.push(range.get_ref().parse().map_err(|expected: String| {
            origin.error(&range.span(), "accept-from", format!("expected {expected}"))
        })?);
    }
    let mut numbers = Vec::new();
    for number in &table.numbers {
        numbers.push(user_part(number, "numbers", origin)?);
    }
    Ok(Account {
        profile: profile(table.profile.as_ref(), origin, directory)?,
        domain,
        auth_user: match &table.auth_user {
            Some(text) => header_text(text, "auth-user", origin)?,
            None => user.clone(),
        },
        registrar,
        user,
        password,
        realm: table.realm,
        display_name: match table.display_name {
            Some(text) => header_text(&text, "display-name", origin)?,
            None => String::new(),
        },
        register: table.register.unwrap_or(true),
        numbers,
        accept_from,
        max_calls,
        media: table.media.map_or(MediaTypes::VOICE, |list| list.into_inner().into_iter().collect()),
        forward,
        permanent: table.id.map_or(0, Spanned::into_inner),
        name: table.name.into_inner(),
    })
}

/// The password: in the file, in a file beside it, or in the environment.
fn password(table: &file::Line, origin: &Origin<'_>, directory: &Path) -> Result<Secret, ConfigError> {
    match (&table.password, &table.password_file, &table.password_env) {
        (None, None, None) => Ok(Secret::from("")),
        (Some(text), None, None) => Ok(Secret::from(text.get_ref().as_str())),
        (None, Some(_), None) | (None, None, Some(_)) if !origin.with_passwords => Ok(Secret::from("")),
        (None, Some(file), None) => {
            let path = directory.join(file.get_ref());
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let message = format!("{} cannot be read: {error}", path.display());
                origin.error(&file.span(), "password-file", message)
            })?;
            Ok(Secret::from(text.trim_end_matches(['\r', '\n'])))
        }
        (None, None, Some(name)) => match std::env::var(name.get_ref()) {
            Ok(text) => Ok(Secret::from(text)),
            Err(_) => {
                let message = format!("the environment has no variable {:?} with text in it", name.get_ref());
                Err(origin.error(&name.span(), "password-env", message))
            }
        },
        (_, file, env) => {
            let second = env.as_ref().or(file.as_ref()).map_or(0..0, Spanned::span);
            let key = if env.is_some() { "password-env" } else { "password-file" };
            Err(origin.error(&second, key, "one of password, password-file and password-env, not several"))
        }
    }
}

fn forward_rule(rule: file::Forward) -> ForwardRule {
    let to = match rule.to.get_ref().as_str() {
        "do-not-disturb" => ForwardTarget::DoNotDisturb,
        address => ForwardTarget::Address(address.into()),
    };
    ForwardRule { when: rule.when, from: rule.from.map(Into::into), origin: rule.origin, to }
}

fn profile(
    name: Option<&Spanned<String>>,
    origin: &Origin<'_>,
    directory: &Path,
) -> Result<Arc<Profile>, ConfigError> {
    let Some(name) = name else { return Ok(Arc::new(Profile::default())) };
    let fail = |message: String| origin.error(&name.span(), "profile", message);
    let profile = match Profile::built_in(name.get_ref()) {
        Some(profile) => profile,
        None if name.get_ref().ends_with(".toml") => {
            let path = directory.join(name.get_ref());
            let text = std::fs::read_to_string(&path)
                .map_err(|error| fail(format!("{} cannot be read: {error}", path.display())))?;
            toml::from_str(&text).map_err(|error| fail(format!("{}: {error}", path.display())))?
        }
        None => {
            let names = Profile::BUILT_IN.map(|(name, _)| name).join(", ");
            return Err(fail(format!(
                "expected one of {names}, or a path that ends with .toml, not {:?}",
                name.get_ref()
            )));
        }
    };
    match profile.fault() {
        Some((key, expected)) => Err(fail(format!("profile {}: {key}: expected {expected}", name.get_ref()))),
        None => Ok(Arc::new(profile)),
    }
}

fn softswitch(
    table: file::Softswitch,
    origin: &Origin<'_>,
) -> Result<hookswitch_softswitch::Config, ConfigError> {
    let default_listen = [Transport::Udp, Transport::Tcp]
        .map(|transport| Listen { transport, address: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 5060) });
    let mut accounts = Vec::new();
    for account in &table.accounts {
        accounts.push(hookswitch_softswitch::Account {
            user: user_part(&account.user, "user", origin)?,
            password: Secret::from(account.password.get_ref().as_str()),
            groups: account.groups.clone(),
        });
    }
    let features = super::features::resolve(&table, origin)?;
    let extension = |value: &Option<Spanned<String>>, key, default: &str| match value {
        Some(text) => user_part(text, key, origin),
        None => Ok(default.to_owned()),
    };
    Ok(hookswitch_softswitch::Config {
        listen: listens(&table.listen, &default_listen, "softswitch.listen", origin)?
            .into_iter()
            .map(|listen| (listen.transport, listen.address))
            .collect(),
        domain: table.domain.map_or_else(|| "hookswitch.local".to_owned(), Spanned::into_inner),
        echo: extension(&table.echo, "softswitch.echo", "600")?,
        tone: extension(&table.tone, "softswitch.tone", "601")?,
        music: extension(&table.music, "softswitch.music", "602")?,
        features,
        accounts,
    })
}

fn listens(
    texts: &[Spanned<String>],
    default: &[Listen],
    key: &str,
    origin: &Origin<'_>,
) -> Result<Vec<Listen>, ConfigError> {
    if texts.is_empty() {
        return Ok(default.to_vec());
    }
    texts
        .iter()
        .map(|text| {
            text.get_ref().parse().map_err(|expected: String| origin.error(&text.span(), key, expected))
        })
        .collect()
}

fn address(text: &Spanned<String>, key: &str, origin: &Origin<'_>) -> Result<IpAddr, ConfigError> {
    text.get_ref().parse().map_err(|_| {
        origin.error(
            &text.span(),
            key,
            format!("expected a numeric address, such as \"192.0.2.1\", not {:?}", text.get_ref()),
        )
    })
}

pub(super) fn user_part(
    text: &Spanned<String>,
    key: &str,
    origin: &Origin<'_>,
) -> Result<String, ConfigError> {
    let fits = !text.get_ref().is_empty()
        && text.get_ref().len() <= 128
        && text.get_ref().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(&b));
    if fits {
        return Ok(text.get_ref().clone());
    }
    Err(origin.error(
        &text.span(),
        key,
        format!(
            "expected the user part of an address (letters, digits and -_.!~*'()&=+$,), not {:?}",
            text.get_ref()
        ),
    ))
}

fn header_text(text: &Spanned<String>, key: &str, origin: &Origin<'_>) -> Result<String, ConfigError> {
    if text.get_ref().chars().any(char::is_control) || text.get_ref().len() > 128 {
        return Err(origin.error(&text.span(), key, "expected one line of at most 128 octets"));
    }
    Ok(text.get_ref().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("hookswitch.toml"))
    }

    #[test]
    fn a_small_file_has_sensible_defaults() {
        let config =
            parse("[[line]]\nname = 'desk'\nregistrar = 'pbx.example.org'\nuser = '1001'\npassword = 'x'\n");
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let line = &config.lines[0];
        assert_eq!(
            (line.domain.as_str(), line.auth_user.as_str(), line.register),
            ("pbx.example.org", "1001", true)
        );
        assert_eq!(config.sip.listen.len(), 2);
    }

    #[test]
    fn the_files_that_we_ship_are_sound() {
        for (path, text) in [
            (
                "docker/hookswitch/hookswitch.toml",
                include_str!("../../../../docker/hookswitch/hookswitch.toml"),
            ),
            ("hookswitch.example.toml", include_str!("../../../../hookswitch.example.toml")),
        ] {
            Config::parse(text, Path::new(path)).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn every_error_names_line_key_and_expectation() {
        let line = "[[line]]\nname = 'a'\nregistrar = 'h'\nuser = 'u'\n";
        for (text, place, part) in [
            (format!("{line}pasword = 'x'\n"), 5, "pasword"),
            (format!("{line}profile = 'nortel'\n"), 5, "asterisk"),
            (format!("{line}max-calls = 0\n"), 5, "1 to 100000"),
            (format!("{line}accept-from = ['10.0.0.0/40']\n"), 5, "192.0.2.0/24"),
            (format!("{line}{line}"), 5, "unique"),
            ("[[line]]\nname = 'a'\nregistrar = 'h h'\nuser = 'u'\n".into(), 3, "registrar"),
            ("[[line]]\nname = 'a'\nregistrar = 'h'\nuser = 'a b'\n".into(), 4, "user part"),
            (
                format!("{line}[[line.forward]]\nwhen = 'busy'\nto = 'x y'\n"),
                7,
                "no address that can be dialled",
            ),
            (format!("{line}[[line.forward]]\nwhen = 'sometimes'\nto = 'x'\n"), 6, "unconditional"),
            ("[applications]\nunowned = 'rejct'\n".into(), 2, "leave"),
            ("[applications]\ndefault-line = 'x'\n".into(), 2, "name of a line"),
            ("[priorities]\nvoice = ['']\n".into(), 2, "names of applications"),
            ("format = 1\n".into(), 1, "--store"),
            (format!("{line}id = 3\n"), 5, "leave it out"),
            (format!("{line}password-env = 'HOOKSWITCH_NOT_SET'\n"), 5, "environment"),
            (format!("{line}password = 'x'\npassword-file = 'y'\n"), 6, "not several"),
            (format!("{line}domain = 'a b'\n"), 5, "domain"),
            (format!("{line}media = []\n"), 5, "at least one media type"),
            ("[sip]\nlisten = ['5060']\n".into(), 2, "udp:0.0.0.0:5060"),
            ("[sip]\nsession-expires = 60\n".into(), 2, "90 to 86400"),
            ("[media]\nports = [20000, 10000]\n".into(), 2, "media.ports"),
            ("[media]\naddress = 'localhost'\n".into(), 2, "numeric address"),
            ("[sip\n".into(), 1, "expected"),
            ("[[line]]\nname = 'a'\n".into(), 1, "registrar"),
        ] {
            let error = parse(&text).expect_err(&text);
            assert_eq!(error.place.map(|p| p.0), Some(place), "{text}\n{error}");
            assert!(error.to_string().contains(part), "{text}\n{error}");
        }
    }
}
