//! What the embedded softswitch does with calls beyond passing them on: parking, picking up, watching.

use super::error::{ConfigError, Origin};
use super::file;
use super::resolve::user_part;
use hookswitch_softswitch::{Features, Rule};
use std::time::Duration;
use toml::Spanned;

/// The most orbits.
const MOST_ORBITS: u32 = 1_000;
/// The longest time that anything about a parked call may take, in seconds: a day.
const LONGEST: u64 = 86_400;

pub(super) fn resolve(table: &file::Softswitch, origin: &Origin<'_>) -> Result<Features, ConfigError> {
    let mut features = Features::default();
    if let Some(park) = &table.park {
        features.park = user_part(park, "softswitch.park", origin)?;
    }
    if let Some(pickup) = &table.pickup {
        features.pickup = user_part(pickup, "softswitch.pickup", origin)?;
    }
    if let Some(orbits) = &table.orbits {
        let (first, last) = *orbits.get_ref();
        if last < first || last - first >= MOST_ORBITS {
            let expected =
                format!("expected the first and the last orbit, {MOST_ORBITS} at most: [701, 720]");
            return Err(origin.error(&orbits.span(), "softswitch.orbits", expected));
        }
        features.orbits = first..=last;
    }
    if let Some(seconds) = &table.recall_seconds {
        features.recall_after = time(seconds, "softswitch.recall-seconds", origin)?;
    }
    if let Some(seconds) = &table.longest_park_seconds {
        features.longest_park = time(seconds, "softswitch.longest-park-seconds", origin)?;
    }
    if let Some(text) = &table.may_pick_up {
        features.who_may_pick_up = rule(text, "softswitch.may-pick-up", origin)?;
    }
    if let Some(text) = &table.may_watch {
        features.who_may_watch = rule(text, "softswitch.may-watch", origin)?;
    }
    Ok(features)
}

fn time(seconds: &Spanned<u64>, key: &str, origin: &Origin<'_>) -> Result<Duration, ConfigError> {
    match *seconds.get_ref() {
        wanted @ 1..=LONGEST => Ok(Duration::from_secs(wanted)),
        _ => Err(origin.error(&seconds.span(), key, format!("expected 1 to {LONGEST} seconds"))),
    }
}

fn rule(text: &Spanned<String>, key: &str, origin: &Origin<'_>) -> Result<Rule, ConfigError> {
    match text.get_ref().as_str() {
        "everyone" => Ok(Rule::Everyone),
        "same-group" => Ok(Rule::SameGroup),
        other => {
            let expected = format!("expected \"everyone\" or \"same-group\", not {other:?}");
            Err(origin.error(&text.span(), key, expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use std::path::Path;

    #[test]
    fn features_have_defaults_and_faults_are_named() {
        let parse =
            |text: &str| Config::parse(&format!("[softswitch]\n{text}"), Path::new("hookswitch.toml"));
        let features = |text: &str| match parse(text) {
            Ok(config) => config.softswitch.map(|switch| switch.features),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(features(""), Some(Features::default()));
        let given =
            features("orbits = [10, 19]\nmay-watch = 'same-group'\nrecall-seconds = 60\npickup = '**'\n");
        let expected = Features {
            orbits: 10..=19,
            who_may_watch: Rule::SameGroup,
            recall_after: Duration::from_secs(60),
            pickup: "**".into(),
            ..Features::default()
        };
        assert_eq!(given, Some(expected));
        for (text, part) in [
            ("orbits = [720, 701]\n", "first and the last"),
            ("orbits = [1, 2000]\n", "1000 at most"),
            ("may-pick-up = 'nobody'\n", "same-group"),
            ("longest-park-seconds = 0\n", "86400"),
            ("park = 'a b'\n", "user part"),
        ] {
            match parse(text) {
                Ok(_) => panic!("{text}"),
                Err(error) => {
                    assert_eq!(error.place.map(|place| place.0), Some(2), "{error}");
                    assert!(error.to_string().contains(part), "{error}");
                }
            }
        }
    }
}
