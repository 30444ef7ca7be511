//! The behaviour checklist as a suite that runs against any implementation of the service provider interface.
//!
//! An *item* is one point of the checklist: a number, a sentence, and a test. It is given a factory of *subjects* (a provider with the
//! world around it in virtual time: [`subject`]), opens as many *benches* on them as it needs ([`bench`]), and returns what it
//! finds. Items of part G work on a [`desk`]: applications of the telephony crate on top of a subject. [`sip`] is the SIP
//! provider with a scripted peer, [`loopback`] the exchange in memory. [`observed`] compares what all items saw with what was
//! advertised, [`report`] prints the outcome and writes the page in `docs/`. The binary `conformance` runs everything, and with
//! `--mutants` shows that each item bites: under a fault that breaks just its point, it has to fail.

pub mod bench;
pub mod desk;
pub mod items;
pub mod loopback;
pub mod observed;
pub mod report;
pub mod sip;
pub mod subject;

pub use bench::{Bench, Finding, Verdict};
pub use items::ITEMS;

use observed::Observed;
use std::cell::RefCell;
use std::rc::Rc;
use subject::{Setup, Subject};

/// Makes subjects of one kind.
pub trait Factory {
    /// `sip` or `loopback`.
    fn name(&self) -> &'static str;

    /// A subject that was just started.
    fn subject(&self, setup: &Setup) -> Box<dyn Subject>;

    /// An installation of this kind of provider on an empty disk, for the items of its life cycle.
    fn installation(&self) -> Box<dyn items::Installed>;
}

/// What an item works with.
pub struct Suite<'a> {
    factory: &'a dyn Factory,
    observed: Rc<RefCell<Observed>>,
    /// Breaks the application side, to show that its items bite.
    pub desk_fault: Option<desk::DeskFault>,
}

impl<'a> Suite<'a> {
    /// A suite for one kind of subject.
    pub fn new(factory: &'a dyn Factory) -> Self {
        Self { factory, observed: Rc::default(), desk_fault: None }
    }

    /// `sip` or `loopback`.
    pub fn kind(&self) -> &'static str {
        self.factory.name()
    }

    /// A subject whose session has begun and whose lines are open.
    pub fn open(&self, setup: &Setup) -> Bench {
        Bench::open(self.factory.subject(setup), setup, Rc::clone(&self.observed))
    }

    /// A subject whose session has not begun.
    pub fn closed(&self, setup: &Setup) -> Bench {
        Bench::closed(self.factory.subject(setup), setup, Rc::clone(&self.observed))
    }

    /// Applications on top of a subject.
    pub fn desk(&self, setup: &Setup, config: hookswitch_telephony::Config) -> desk::Desk {
        desk::Desk::open(self.factory.subject(setup), setup, config, self.desk_fault)
    }

    /// An installation on an empty disk.
    pub fn installation(&self) -> Box<dyn items::Installed> {
        self.factory.installation()
    }

    /// What was observed so far.
    pub fn observed(&self) -> std::cell::Ref<'_, Observed> {
        self.observed.borrow()
    }

    /// Runs an item.
    pub fn run(&self, item: &Item) -> Outcome {
        match item.check {
            Check::NotApplicable(why) => Outcome::NotApplicable(why),
            Check::Test(test) => match test(self) {
                Ok(()) => Outcome::Passed,
                Err(Finding(text)) => Outcome::Failed(text),
            },
        }
    }
}

/// A point of the checklist.
#[derive(Clone, Copy)]
pub struct Item {
    /// Its number.
    pub number: u8,
    /// What is expected, in a sentence.
    pub title: &'static str,
    /// How it is tested.
    pub check: Check,
}

/// How an item is tested.
#[derive(Clone, Copy)]
pub enum Check {
    /// By this.
    Test(fn(&Suite<'_>) -> Verdict),
    /// Not, for this reason; its modern counterpart is tested elsewhere.
    NotApplicable(&'static str),
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not; the text says what was found.
    Failed(String),
    /// It does not apply, for this reason.
    NotApplicable(&'static str),
}
