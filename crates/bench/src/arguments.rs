//! The command line.

use crate::fault::Fault;
use std::path::PathBuf;
use std::str::FromStr;

pub(crate) const USAGE: &str = "\
usage: hookswitch-bench answer [--rates 2000,5000,10000] [--seconds 60] [--held 10000] [--quick] [--only ours|sipp]
                               [--output docs/performance.md]
       hookswitch-bench memory [--calls 10000] [--output docs/performance.md]
--quick: the middle rate for ten seconds and 2,000 held calls; nothing is written.";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Answer(AnswerOptions),
    Memory(MemoryOptions),
    /// Answer calls: the process that `answer` measures.
    Serve {
        port: u16,
    },
    Help,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Ours,
    Sipp,
}

#[derive(Debug)]
pub(crate) struct AnswerOptions {
    /// Calls a second.
    pub(crate) rates: Vec<u32>,
    pub(crate) seconds: u32,
    /// Calls held at a time; 0 for none.
    pub(crate) held: u32,
    pub(crate) servers: Vec<Server>,
    /// Where the figures are written, if they are.
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct MemoryOptions {
    pub(crate) calls: u32,
    pub(crate) output: Option<PathBuf>,
}

pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, Fault> {
    let command = words.next();
    let mut options = Options::read(words)?;
    let command = match command.as_deref() {
        Some("answer") => {
            let quick = options.flag("--quick");
            let only = options.take("--only");
            Command::Answer(AnswerOptions {
                rates: match options.take("--rates") {
                    Some(text) => {
                        text.split(',').map(|rate| number("--rates", rate)).collect::<Result<_, _>>()?
                    }
                    None if quick => vec![5_000],
                    None => vec![2_000, 5_000, 10_000],
                },
                seconds: options.number("--seconds", if quick { 10 } else { 60 })?,
                held: options.number("--held", if quick { 2_000 } else { 10_000 })?,
                servers: match only.as_deref() {
                    None => vec![Server::Ours, Server::Sipp],
                    Some("ours") => vec![Server::Ours],
                    Some("sipp") => vec![Server::Sipp],
                    Some(other) => {
                        return Err(Fault::Usage(format!("--only: expected ours or sipp, not {other:?}")));
                    }
                },
                output: (!quick && only.is_none()).then(|| options.output()),
            })
        }
        Some("memory") => Command::Memory(MemoryOptions {
            calls: options.number("--calls", 10_000)?,
            output: Some(options.output()),
        }),
        Some("serve") => Command::Serve { port: options.number("--port", 0)? },
        Some("--help" | "-h" | "help") => Command::Help,
        Some(other) => return Err(Fault::Usage(format!("expected answer or memory, not {other:?}"))),
        None => return Err(Fault::Usage("expected answer or memory".to_owned())),
    };
    options.finish()?;
    Ok(command)
}

/// `--name value` and `--flag`, in any order.
struct Options(Vec<(String, Option<String>)>);

impl Options {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, Fault> {
        let mut read: Vec<(String, Option<String>)> = Vec::new();
        for word in words {
            if word.starts_with("--") {
                read.push((word, None));
            } else {
                match read.last_mut() {
                    Some((_, value @ None)) => *value = Some(word),
                    _ => return Err(Fault::Usage(format!("unexpected {word:?}"))),
                }
            }
        }
        Ok(Self(read))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(option, value)| option == name && value.is_some())?;
        self.0.remove(at).1
    }

    fn flag(&mut self, name: &str) -> bool {
        match self.0.iter().position(|(option, value)| option == name && value.is_none()) {
            Some(at) => {
                self.0.remove(at);
                true
            }
            None => false,
        }
    }

    fn number<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, Fault> {
        self.take(name).map_or(Ok(default), |text| number(name, &text))
    }

    fn output(&mut self) -> PathBuf {
        self.take("--output").unwrap_or_else(|| "docs/performance.md".to_owned()).into()
    }

    fn finish(self) -> Result<(), Fault> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(Fault::Usage(format!("{name} is unknown here, or its value is missing"))),
        }
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::Usage(format!("{name}: expected a number, not {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Command, Fault> {
        parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_full_run_writes_and_a_quick_one_does_not() {
        let Ok(Command::Answer(full)) = read("answer --rates 1,2 --held 7") else { panic!() };
        assert_eq!((full.rates, full.seconds, full.held), (vec![1, 2], 60, 7));
        assert!(full.output.is_some());
        let Ok(Command::Answer(quick)) = read("answer --quick") else { panic!() };
        assert_eq!((quick.rates, quick.output), (vec![5_000], None));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, part) in [
            ("answer --rate 5", "--rate"),
            ("answer --seconds x", "\"x\""),
            ("run", "\"run\""),
            ("answer 5", "\"5\""),
        ] {
            let Err(fault) = read(text) else { panic!("{text}") };
            assert!(fault.to_string().contains(part), "{text}: {fault}");
        }
    }
}
