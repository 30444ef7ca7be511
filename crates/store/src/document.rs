//! The file as a document that can be edited: comments and order stay, and every line has a number for good.
//!
//! The store itself relies on four keys at the top and on the `id` of each line:
//!
//! ```toml
//! format = 1                        # of this file
//! provider = "00c5a2d1f3b44e07"     # the installation, for good (TAPI: permanent provider id)
//! serial = 7                        # grows with every change that is made by command
//! next-line = 3                     # the id of the next new line; smaller ones are used or were used
//!
//! [[line]]
//! id = 1                            # the line, for good, also when it is renamed (TAPI: dwPermanentLineID)
//! name = "desk"
//! ```
//!
//! What else stands there is checked by whoever knows what it means.

use crate::Fault;
use std::fmt;
use std::ops::Range;
use toml_edit::{DocumentMut, Item, TableLike};

/// The format that this code reads and writes.
const FORMAT: i64 = 1;
/// Keys of the store at the top of the file.
pub(crate) const HEAD: [&str; 4] = ["format", "provider", "serial", "next-line"];
/// More lines than these, over the whole life of an installation, are a mistake in the file.
const MOST_LINES: i64 = 1_000_000_000;

const PREAMBLE: &str = "\
# What the provider is configured to do. Change it by `hookswitch provider config`, or by hand: it is checked whenever it is
# read, and `hookswitch provider show` says what is wrong. The four keys below and the ids of lines are the store's own.
";

/// Names an installation for good (TAPI: dwPermanentProviderID). A later installation has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(pub u64);

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Numbers a line for good, from 1 (TAPI: dwPermanentLineID). Never used again, also not after the line was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineNumber(pub u32);

impl fmt::Display for LineNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The content of a store.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) toml: DocumentMut,
    provider: ProviderId,
    serial: u64,
    next_line: u32,
}

impl Document {
    /// A new installation's, without lines.
    pub fn new(provider: ProviderId) -> Self {
        let mut document = Self { toml: DocumentMut::new(), provider, serial: 1, next_line: 1 };
        document.write_head();
        document
    }

    /// A new installation's, with the content of a configuration file. Its lines are numbered in their order.
    ///
    /// # Errors
    /// It is no TOML, or has keys of a store already.
    pub fn import(text: &str, provider: ProviderId) -> Result<Self, Fault> {
        let parsed = parse_toml(text)?;
        let used = parsed.iter().find(|(key, _)| HEAD.contains(key));
        if let Some((key, item)) = used {
            let message = "this is the file of a store, not a configuration; give one without format, provider, serial and next-line";
            return Err(Fault::new(span(item), key, message));
        }
        let lines = lines_of(&parsed)?;
        if let Some(line) = lines.iter().find(|line| line.id.is_some()) {
            return Err(Fault::new(
                line.span.clone(),
                "line.id",
                "ids are given by the store; leave this out",
            ));
        }
        let mut document = Self { toml: parsed.into_mut(), provider, serial: 1, next_line: 1 };
        document.write_head();
        document.number_lines();
        Ok(document)
    }

    /// Reads a store's file and checks what the store relies on.
    ///
    /// # Errors
    /// The place, the key, what was expected and what came.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let parsed = parse_toml(text)?;
        let number = |key: &str, range: std::ops::RangeInclusive<i64>| {
            let Some(item) = parsed.get(key) else {
                let message =
                    format!("expected a number here, as the store wrote it; restore the line `{key} = ...`");
                return Err(Fault::new(0..0, key, message));
            };
            match item.as_integer().filter(|n| range.contains(n)) {
                Some(n) => Ok(n),
                None => {
                    let message = format!("expected a number from {} to {}", range.start(), range.end());
                    Err(Fault::new(span(item), key, message))
                }
            }
        };
        let format = number("format", 1..=i64::MAX)?;
        if format != FORMAT {
            let message = format!(
                "this file has format {format}, written by another version; this one reads format {FORMAT}"
            );
            return Err(Fault::new(parsed.get("format").map_or(0..0, span), "format", message));
        }
        let provider = match parsed.get("provider") {
            None => Err(Fault::new(0..0, "provider", "expected the id that the store wrote; restore it")),
            Some(item) => {
                let id =
                    item.as_str().filter(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()));
                id.and_then(|id| u64::from_str_radix(id, 16).ok()).map(ProviderId).ok_or_else(|| {
                    Fault::new(
                        span(item),
                        "provider",
                        "expected 16 hexadecimal digits in quotes, as the store wrote them",
                    )
                })
            }
        }?;
        let serial = number("serial", 1..=i64::MAX)?;
        let next_line = number("next-line", 1..=MOST_LINES)?;
        let lines = lines_of(&parsed)?;
        let mut known = Vec::with_capacity(lines.len());
        for line in lines {
            let Some(id) = line.id else { continue };
            if id >= next_line {
                let message = format!(
                    "line {id} is beyond next-line, which is {next_line}; leave the id out for a new line, the store gives it one"
                );
                return Err(Fault::new(line.id_span, "line.id", message));
            }
            known.push((id, line.id_span));
        }
        known.sort_by_key(|(id, span)| (*id, span.start));
        let twice = known.iter().zip(known.iter().skip(1)).find(|((a, _), (b, _))| a == b);
        if let Some((_, (id, second))) = twice {
            let message = format!(
                "two lines have the id {id}; leave it out in the new one, the store gives it another"
            );
            return Err(Fault::new(second.clone(), "line.id", message));
        }
        Ok(Self {
            toml: parsed.into_mut(),
            provider,
            serial: serial.unsigned_abs(),
            next_line: u32::try_from(next_line).unwrap_or(u32::MAX),
        })
    }

    /// The whole file.
    pub fn text(&self) -> String {
        self.toml.to_string()
    }

    /// The installation.
    pub const fn provider(&self) -> ProviderId {
        self.provider
    }

    /// Grows with every change made by command.
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// The number that the next new line gets. All smaller ones are used or were used.
    pub const fn next_line(&self) -> LineNumber {
        LineNumber(self.next_line)
    }

    /// Whether a line added by hand has no number yet.
    pub fn has_unnumbered_lines(&self) -> bool {
        self.line_tables().any(|table| table.get("id").is_none())
    }

    /// Gives a number to each line that has none.
    pub fn number_lines(&mut self) {
        let mut next = self.next_line;
        for table in self.line_tables_mut() {
            if table.get("id").is_none() {
                table.insert("id", toml_edit::value(i64::from(next)));
                next = next.saturating_add(1);
            }
        }
        if next != self.next_line {
            self.next_line = next;
            self.write_head();
        }
    }

    /// The number of a new line.
    pub(crate) fn take_number(&mut self) -> LineNumber {
        let number = LineNumber(self.next_line);
        self.next_line = self.next_line.saturating_add(1);
        self.write_head();
        number
    }

    pub(crate) fn next_serial(&mut self) {
        self.serial = self.serial.saturating_add(1);
        self.write_head();
    }

    /// The lines, in the order of the file.
    pub(crate) fn line_tables(&self) -> Box<dyn Iterator<Item = &dyn TableLike> + '_> {
        match self.toml.get("line") {
            Some(Item::ArrayOfTables(tables)) => Box::new(tables.iter().map(|table| table as &dyn TableLike)),
            Some(Item::Value(toml_edit::Value::Array(values))) => {
                Box::new(values.iter().filter_map(|value| Some(value.as_inline_table()? as &dyn TableLike)))
            }
            Some(Item::None | Item::Value(_) | Item::Table(_)) | None => Box::new(std::iter::empty()),
        }
    }

    pub(crate) fn line_tables_mut(&mut self) -> Box<dyn Iterator<Item = &mut dyn TableLike> + '_> {
        match self.toml.get_mut("line") {
            Some(Item::ArrayOfTables(tables)) => {
                Box::new(tables.iter_mut().map(|table| table as &mut dyn TableLike))
            }
            Some(Item::Value(toml_edit::Value::Array(values))) => Box::new(
                values
                    .iter_mut()
                    .filter_map(|value| Some(value.as_inline_table_mut()? as &mut dyn TableLike)),
            ),
            Some(Item::None | Item::Value(_) | Item::Table(_)) | None => Box::new(std::iter::empty()),
        }
    }

    /// Writes the store's own keys; what stood around them stays.
    fn write_head(&mut self) {
        let values = [
            toml_edit::value(FORMAT),
            toml_edit::value(self.provider.to_string()),
            toml_edit::value(i64::try_from(self.serial).unwrap_or(i64::MAX)),
            toml_edit::value(i64::from(self.next_line)),
        ];
        let new = self.toml.get(HEAD[0]).is_none();
        for (key, new) in HEAD.into_iter().zip(values) {
            match (self.toml.get_mut(key).and_then(Item::as_value_mut), new.into_value()) {
                (Some(value), Ok(mut new)) => {
                    *new.decor_mut() = value.decor().clone();
                    *value = new;
                }
                (None, Ok(new)) => drop(self.toml.insert(key, Item::Value(new))),
                (_, Err(_)) => {}
            }
        }
        if new {
            if let Some(mut key) = self.toml.key_mut(HEAD[0]) {
                key.leaf_decor_mut().set_prefix(PREAMBLE);
            }
            // The keys of the top come before its tables, whatever was there; these come first of all.
            self.toml.sort_values_by(|a, _, b, _| place(a.get()).cmp(&place(b.get())));
        }
    }
}

/// The store's own keys stand first.
fn place(key: &str) -> usize {
    HEAD.iter().position(|known| *known == key).unwrap_or(HEAD.len())
}

fn parse_toml(text: &str) -> Result<toml_edit::Document<&str>, Fault> {
    toml_edit::Document::parse(text).map_err(|error| {
        Fault::new(error.span().unwrap_or(0..0), "", error.message().trim().replace('\n', "; "))
    })
}

pub(crate) fn span(item: &Item) -> Range<usize> {
    item.span().unwrap_or(0..0)
}

/// A line as far as the store reads it.
struct Numbered {
    span: Range<usize>,
    id: Option<i64>,
    id_span: Range<usize>,
}

fn lines_of(parsed: &toml_edit::Document<&str>) -> Result<Vec<Numbered>, Fault> {
    let one = |table: &dyn TableLike, span_: Range<usize>| {
        let id = table.get("id");
        let number = id.and_then(Item::as_integer).filter(|id| *id >= 1);
        match (id, number) {
            (Some(item), None) => Err(Fault::new(
                span(item),
                "line.id",
                "expected a number from 1; leave it out for a new line",
            )),
            (Some(item), number) => Ok(Numbered { span: span_, id: number, id_span: span(item) }),
            (None, _) => Ok(Numbered { span: span_, id: None, id_span: 0..0 }),
        }
    };
    let no_lines = |item: &Item| Fault::new(span(item), "line", "expected one [[line]] for each account");
    match parsed.get("line") {
        None | Some(Item::None) => Ok(Vec::new()),
        Some(Item::ArrayOfTables(tables)) => {
            tables.iter().map(|table| one(table, table.span().unwrap_or(0..0))).collect()
        }
        Some(item @ Item::Value(toml_edit::Value::Array(values))) => values
            .iter()
            .map(|value| {
                let table = value.as_inline_table().ok_or_else(|| no_lines(item))?;
                one(table, value.span().unwrap_or(0..0))
            })
            .collect(),
        Some(item @ (Item::Value(_) | Item::Table(_))) => Err(no_lines(item)),
    }
}
