//! The outcome over the wire: a line for each item, and the page.

use super::{Factory, Peers};
use hookswitch_testkit::conformance::{ITEMS, Item, Outcome, Suite};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

/// What became of an item with one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Played {
    /// It holds.
    Passed,
    /// It does not; what was found.
    Failed(String),
    /// The peer cannot play it; why.
    NotPlayed(String),
    /// It does not apply to anything; why.
    NotApplicable(&'static str),
}

/// The item that compares everything observed with everything advertised: it comes last.
const META: u8 = 16;
/// The items that need not be passed with any peer.
const EXCEPTED: [u8; 2] = [15, 77];

/// All outcomes, by item.
#[derive(Debug, Default)]
pub struct Report {
    peers: Vec<&'static str>,
    rows: BTreeMap<u8, (&'static str, Vec<Played>)>,
}

impl Report {
    /// Runs items, or those whose numbers are `only`, with a peer, and shows progress.
    pub fn run(&mut self, peers: &dyn Peers, only: &[u8], trace: bool, mut progress: impl FnMut(&str)) {
        let factory = Factory::new(peers, trace);
        let suite = Suite::new(&factory);
        let column = self.peers.len();
        self.peers.push(peers.name());
        let all = ITEMS.iter().flat_map(|part| part.iter());
        let wanted = |item: &&Item| only.is_empty() || only.contains(&item.number);
        let (meta, items): (Vec<&Item>, Vec<&Item>) =
            all.filter(wanted).partition(|item| item.number == META);
        for item in items.into_iter().chain(meta) {
            let begun = Instant::now();
            let mut played = play(&suite, &factory, item);
            if let (Played::Failed(why), true) = (&played, peers.in_its_own_time()) {
                progress(&format!(
                    "{:>3}  {} once more: it failed with\n         {why}",
                    item.number,
                    peers.name()
                ));
                played = play(&suite, &factory, item);
            }
            let word = match &played {
                Played::Passed => "ok",
                Played::Failed(_) => "FAILED",
                Played::NotPlayed(_) => "not played",
                Played::NotApplicable(_) => "n/a",
            };
            let (name, took) = (peers.name(), begun.elapsed().as_secs_f32());
            let mut line = format!("{:>3}  {name} {word:<10} {took:>6.1} s  {}", item.number, item.title);
            if let Played::Failed(why) | Played::NotPlayed(why) = &played {
                let _ = write!(line, "\n         {why}");
            }
            progress(&line);
            let row = self.rows.entry(item.number).or_insert_with(|| (item.title, Vec::new()));
            row.1.resize(column, Played::NotPlayed("was not run".to_owned()));
            row.1.push(played);
        }
    }

    fn counted(&self, which: impl Fn(&Played) -> bool) -> usize {
        self.rows.values().flat_map(|(_, row)| row).filter(|played| which(played)).count()
    }

    /// Outcomes that failed.
    pub fn failed(&self) -> usize {
        self.counted(|played| matches!(played, Played::Failed(_)))
    }

    /// Items that no peer has passed, the two left out that nobody has to.
    pub fn unproved(&self) -> Vec<u8> {
        let rows = self.rows.iter().filter(|(number, _)| !EXCEPTED.contains(number));
        let unproved = rows.filter(|(_, (_, row))| !row.contains(&Played::Passed));
        unproved.map(|(number, _)| *number).collect()
    }

    /// The last line.
    pub fn summary(&self) -> String {
        let passed = self.counted(|played| *played == Played::Passed);
        let not_played = self.counted(|played| matches!(played, Played::NotPlayed(_)));
        let without = self.counted(|played| matches!(played, Played::NotApplicable(_)));
        format!(
            "wire: {passed} passed, {} failed, {not_played} not played, {without} not applicable",
            self.failed()
        )
    }

    /// The page.
    pub fn page(&self) -> String {
        let peers: Vec<&str> = self.peers.iter().map(|peer| proper(peer)).collect();
        let mut page = PREFACE.replace("{peers}", &peers.join(" and by "));
        page.push_str("\n| # | what is expected |");
        for peer in &self.peers {
            let _ = write!(page, " {} |", proper(peer));
        }
        page.push_str("\n|---|---|");
        page.push_str(&"---|".repeat(self.peers.len()));
        page.push('\n');
        for (number, (title, row)) in &self.rows {
            let _ = write!(page, "| {number} | {title} |");
            for played in row {
                let word = match played {
                    Played::Passed => "passed".to_owned(),
                    Played::Failed(why) => format!("**FAILED**: {}", why.replace('|', "\\|")),
                    Played::NotPlayed(why) => format!("not played: {}", why.replace('|', "\\|")),
                    Played::NotApplicable(why) => format!("not applicable: {why}"),
                };
                let _ = write!(page, " {word} |");
            }
            page.push('\n');
        }
        let _ = write!(page, "\n{}\n", self.summary());
        page
    }
}

/// Runs an item once.
fn play(suite: &Suite<'_>, factory: &Factory<'_>, item: &Item) -> Played {
    let outcome = suite.run(item);
    let unable = factory.take_unable();
    match outcome {
        Outcome::NotApplicable(why) => Played::NotApplicable(why),
        _ if !unable.is_empty() => Played::NotPlayed(unable.join("; ")),
        Outcome::Passed => Played::Passed,
        Outcome::Failed(why) => Played::Failed(why),
    }
}

fn proper(peer: &str) -> &str {
    match peer {
        "sipp" => "SIPp",
        "asterisk" => "Asterisk",
        other => other,
    }
}

const PREFACE: &str = "# Conformance over the wire

The points of [conformance.md](conformance.md) once more, at a real socket and with real media threads: every message outside is
written and read by {peers}. What a party decides (ring, answer, hold, hang up) is still the suite's, and what it has noticed is
what the peer says it has received. Who hears whom is measured in audio; SIPp, which has none, is lent sockets that say and hear
tones. The provider's time jumps where nothing can happen, so hours pass in seconds. Points about the store, versions or applications
alone send little or nothing. Asterisk says 100 to every INVITE at once: where a point wants silence, or a refusal before anything
else, the wire loses what it says first.

*Not played* means that this peer has no means to do what the point asks of the parties, and says what.

This page is written by

    cargo run --release -p hookswitch-interop --bin wire
";
