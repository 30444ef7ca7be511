//! The outcome of the suite: on the terminal, and as a page for people.

use super::{Factory, ITEMS, Item, Outcome, Suite};
use std::fmt::Write;

/// The outcome of all items for some kinds of subject.
#[derive(Debug, Default)]
pub struct Report {
    kinds: Vec<&'static str>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    number: u8,
    title: &'static str,
    outcomes: Vec<Outcome>,
}

/// The item that compares everything observed with everything advertised; it comes last.
const META: u8 = 16;

impl Report {
    /// Runs all items, or those whose numbers are `only`, against each kind of subject, and shows progress.
    pub fn run(factories: &[&dyn Factory], only: &[u8], mut progress: impl FnMut(&str)) -> Self {
        let mut report =
            Self { kinds: factories.iter().map(|factory| factory.name()).collect(), rows: Vec::new() };
        let suites: Vec<Suite<'_>> = factories.iter().map(|factory| Suite::new(*factory)).collect();
        let all = ITEMS.iter().flat_map(|part| part.iter());
        let wanted = |item: &&Item| only.is_empty() || only.contains(&item.number);
        let (meta, items): (Vec<&Item>, Vec<&Item>) =
            all.filter(wanted).partition(|item| item.number == META);
        for item in items.into_iter().chain(meta) {
            let outcomes = suites.iter().map(|suite| suite.run(item)).collect();
            let row = Row { number: item.number, title: item.title, outcomes };
            progress(&report.line(&row));
            report.rows.push(row);
        }
        report.rows.sort_by_key(|row| row.number);
        report
    }

    fn line(&self, row: &Row) -> String {
        let mut text = format!("{:>3}", row.number);
        for (kind, outcome) in self.kinds.iter().zip(&row.outcomes) {
            let word = match outcome {
                Outcome::Passed => "ok",
                Outcome::Failed(_) => "FAILED",
                Outcome::NotApplicable(_) => "n/a",
            };
            let _ = write!(text, "  {kind} {word:<6}");
        }
        let _ = write!(text, "  {}", row.title);
        for (kind, outcome) in self.kinds.iter().zip(&row.outcomes) {
            if let Outcome::Failed(why) = outcome {
                let _ = write!(text, "\n         {kind}: {why}");
            }
        }
        text
    }

    fn counted(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.rows.iter().flat_map(|row| &row.outcomes).filter(|outcome| which(outcome)).count()
    }

    /// Outcomes that failed.
    pub fn failed(&self) -> usize {
        self.counted(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// The last line.
    pub fn summary(&self) -> String {
        let passed = self.counted(|outcome| matches!(outcome, Outcome::Passed));
        let without = self.counted(|outcome| matches!(outcome, Outcome::NotApplicable(_)));
        format!("conformance: {passed} passed, {} failed, {without} not applicable", self.failed())
    }

    /// The page. `wire` says which tests with real peers show an item at work.
    pub fn page(&self, wire: &[(u8, String)]) -> String {
        let mut page = String::from(PREFACE);
        let _ = write!(page, "\n| # | what is expected |");
        for kind in &self.kinds {
            let _ = write!(page, " {kind} |");
        }
        page.push_str(" on the wire |\n|---|---|---|");
        page.push_str(&"---|".repeat(self.kinds.len()));
        page.push('\n');
        for row in &self.rows {
            let _ = write!(page, "| {} | {} |", row.number, row.title);
            for outcome in &row.outcomes {
                let word = match outcome {
                    Outcome::Passed => "passed".to_owned(),
                    Outcome::Failed(why) => format!("**failed**: {}", why.replace('|', "\\|")),
                    Outcome::NotApplicable(why) => format!("not applicable: {why}"),
                };
                let _ = write!(page, " {word} |");
            }
            let shown = wire.iter().filter(|(number, _)| *number == row.number);
            let shown: Vec<String> = shown.map(|(_, test)| format!("`{test}`")).collect();
            let _ = writeln!(page, " {} |", shown.join(", "));
        }
        let _ = write!(page, "\n{}\n", self.summary());
        page
    }
}

const PREFACE: &str = "# Conformance

What a telephony service provider has to do, point by point, and whether ours do it: `sip` is the SIP provider with a scripted peer,
`loopback` the provider in memory that application code is tested with. Both run in virtual time.

How to read it: a row is one point, a sentence that has to be true in every situation it names; code, tests and
[decisions.md](decisions.md) cite it as \"checklist 54\". *Passed* means that the suite brought the provider into these situations and
saw nothing else. *Not applicable* says why, and what is shown instead. The words are those of [model.md](model.md). The rows follow a
provider's life: installed and started (1 to 13), lines (14 to 23), requests (24 to 34), calls (35 to 49), and from 50 on what can be done
with calls, what applications share, and what is told.

This page is written by

    cargo run --release -p hookswitch-testkit --bin conformance

and `--mutants` shows that every point bites: under a fault that breaks just that point it has to fail.
[conformance-wire.md](conformance-wire.md) has the same points over real sockets, with SIPp and Asterisk as everybody outside. The last
column names further tests in `tests/interop` that show a point with real peers (SIPp, Asterisk, baresip).
";
