//! Edits of the file: lines and options. Whether a value makes sense is for others to check.

use crate::document::{HEAD, span};
use crate::{Document, Fault, LineNumber};
use toml_edit::{ArrayOfTables, Item, Table, TableLike, Value};

/// Why an edit cannot be made; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The name is taken.
    #[error("there is a line called {0:?} already; give another name, or change that line")]
    NameTaken(String),
    /// No line has it.
    #[error("there is no line called {name:?}; the lines are: {known}")]
    NoSuchLine {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The key belongs to the store.
    #[error("{0} is the store's own and cannot be set")]
    Reserved(String),
    /// The key cannot be set like this.
    #[error(
        "{key}: expected a section and a key, such as media.ports; lines are changed by their own commands"
    )]
    NoOption {
        /// What was given.
        key: String,
    },
}

impl Document {
    /// The names of the lines, in the order of the file.
    pub fn line_names(&self) -> Vec<&str> {
        self.line_tables().filter_map(|table| table.get("name")?.as_str()).collect()
    }

    /// The value of a line's key.
    pub fn line_value(&self, name: &str, key: &str) -> Option<&Value> {
        self.line_tables().find(|table| is_called(*table, name))?.get(key)?.as_value()
    }

    /// Adds a line; `keys` has its other keys.
    ///
    /// # Errors
    /// The name is taken.
    pub fn add_line(&mut self, name: &str, keys: Vec<(&str, Value)>) -> Result<LineNumber, EditError> {
        if self.line_names().contains(&name) {
            return Err(EditError::NameTaken(name.to_owned()));
        }
        let mut table = Table::new();
        self.number_lines();
        let number = self.take_number();
        table.insert("id", toml_edit::value(i64::from(number.0)));
        table.insert("name", toml_edit::value(name));
        for (key, value) in keys {
            table.insert(key, Item::Value(value));
        }
        table.decor_mut().set_prefix("\n");
        match self.toml.get_mut("line") {
            Some(Item::ArrayOfTables(tables)) => tables.push(table),
            Some(Item::Value(Value::Array(values))) => values.push(table.into_inline_table()),
            Some(Item::None | Item::Value(_) | Item::Table(_)) | None => {
                let mut tables = ArrayOfTables::new();
                tables.push(table);
                self.toml.insert("line", Item::ArrayOfTables(tables));
            }
        }
        Ok(number)
    }

    /// Changes keys of a line; `None` takes a key out, so that its default holds. The line keeps its number.
    ///
    /// # Errors
    /// There is no such line, or it is to get a name that is taken.
    pub fn change_line(&mut self, name: &str, keys: Vec<(&str, Option<Value>)>) -> Result<(), EditError> {
        for (key, value) in &keys {
            let renamed = value.as_ref().and_then(Value::as_str).filter(|_| *key == "name");
            if let Some(new) = renamed.filter(|new| *new != name && self.line_names().contains(new)) {
                return Err(EditError::NameTaken(new.to_owned()));
            }
            if *key == "id" {
                return Err(EditError::Reserved("line.id".to_owned()));
            }
        }
        let missing = self.no_such_line(name);
        let table = self.line_tables_mut().find(|table| is_called(*table, name)).ok_or(missing)?;
        for (key, value) in keys {
            put(table, key, value);
        }
        Ok(())
    }

    /// Removes a line. Its number is never given again.
    ///
    /// # Errors
    /// There is no such line.
    pub fn remove_line(&mut self, name: &str) -> Result<LineNumber, EditError> {
        self.number_lines();
        let place = self.line_tables().position(|table| is_called(table, name));
        let place = place.ok_or_else(|| self.no_such_line(name))?;
        let id = self.line_tables().nth(place).and_then(|table| table.get("id")?.as_integer()).unwrap_or(0);
        match self.toml.get_mut("line") {
            Some(Item::ArrayOfTables(tables)) => {
                let next = if place == 0 { following_comment(tables) } else { None };
                tables.remove(place);
                // What stood above the first line may be about the whole file.
                if let (Some(comment), Some(first)) = (next, tables.get_mut(0)) {
                    first.decor_mut().set_prefix(comment);
                }
                if tables.is_empty() {
                    self.toml.remove("line");
                }
            }
            Some(Item::Value(Value::Array(values))) => drop(values.remove(place)),
            Some(Item::None | Item::Value(_) | Item::Table(_)) | None => {}
        }
        Ok(LineNumber(u32::try_from(id).unwrap_or(0)))
    }

    /// Sets an option, such as `media.ports`; `None` takes it out, so that its default holds.
    ///
    /// # Errors
    /// It is no option, or it is the store's own.
    pub fn set(&mut self, option: &str, value: Option<Value>) -> Result<(), EditError> {
        if HEAD.contains(&option) {
            return Err(EditError::Reserved(option.to_owned()));
        }
        let fits = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let parts = option.split_once('.').filter(|(section, key)| {
            fits(section)
                && fits(key)
                && *section != "line"
                && *section != "account"
                && !HEAD.contains(section)
        });
        let no_option = || EditError::NoOption { key: option.to_owned() };
        let (section, key) = parts.ok_or_else(no_option)?;
        if value.is_none() && self.toml.get(section).is_none() {
            return Ok(());
        }
        let new = || {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            Item::Table(table)
        };
        let table = self.toml.entry(section).or_insert_with(new).as_table_like_mut().ok_or_else(no_option)?;
        put(table, key, value);
        if table.is_empty() {
            self.toml.remove(section);
        }
        Ok(())
    }

    /// Sets the order of applications for a media type (lineSetAppPriority).
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_priority(&mut self, media: &str, order: &[Box<str>]) -> Result<(), EditError> {
        let value = (!order.is_empty()).then(|| order.iter().map(|name| &**name).collect::<Value>());
        self.set(&format!("priorities.{media}"), value)
    }

    fn no_such_line(&self, name: &str) -> EditError {
        let known = match self.line_names() {
            names if names.is_empty() => "none so far".to_owned(),
            names => names.join(", "),
        };
        EditError::NoSuchLine { name: name.to_owned(), known }
    }
}

fn is_called(table: &dyn TableLike, name: &str) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name)
}

/// Puts a value where one stood, with the comments around it, or at the end.
fn put(table: &mut dyn TableLike, key: &str, value: Option<Value>) {
    match (table.get_mut(key), value) {
        (Some(Item::Value(old)), Some(mut new)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        (_, Some(new)) => drop(table.insert(key, Item::Value(new))),
        (_, None) => drop(table.remove(key)),
    }
}

/// The comment above the first line together with that above the second, which takes its place.
fn following_comment(tables: &ArrayOfTables) -> Option<String> {
    let prefix = |n| tables.get(n).and_then(|table| table.decor().prefix()?.as_str());
    let (first, second) = (prefix(0)?, prefix(1)?);
    Some(format!("{}{}", first.trim_end_matches(' '), second.trim_start_matches('\n')))
}

/// A configuration whose paths do not depend on where it stands: those that are relative are continued from `folder`.
/// For a file that is imported from elsewhere.
///
/// # Errors
/// The text is no TOML.
pub fn absolute_paths(text: &str, folder: &str) -> Result<String, Fault> {
    let mut toml: toml_edit::DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        Fault::new(error.span().unwrap_or(0..0), "", error.message().trim().replace('\n', "; "))
    })?;
    let absolute = |table: &mut dyn TableLike| {
        for key in ["password-file", "profile"] {
            let path = table.get(key).and_then(Item::as_str);
            let relative =
                path.filter(|path| !path.starts_with('/') && (key != "profile" || path.ends_with(".toml")));
            if let Some(path) = relative {
                let whole = Value::from(format!("{}/{path}", folder.trim_end_matches('/')));
                put(table, key, Some(whole));
            }
        }
    };
    match toml.get_mut("line") {
        Some(Item::ArrayOfTables(tables)) => tables.iter_mut().for_each(|table| absolute(table)),
        Some(Item::Value(Value::Array(values))) => {
            values.iter_mut().filter_map(Value::as_inline_table_mut).for_each(|table| absolute(table));
        }
        Some(item @ (Item::None | Item::Value(_) | Item::Table(_))) => {
            let message = "expected one [[line]] for each account";
            return Err(Fault::new(span(item), "line", message));
        }
        None => {}
    }
    Ok(toml.to_string())
}
