//! XML as event bodies need it: a small tree, read within bounds. No document types, no entities but the five, UTF-8 only.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

/// Octets of a document.
const MOST_OCTETS: usize = 65_536;
/// Elements within one another.
const MOST_DEPTH: usize = 16;
/// Elements in all.
const MOST_ELEMENTS: usize = 4_096;
/// Attributes of one element.
const MOST_ATTRIBUTES: usize = 32;

/// Why a document is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// It is no UTF-8.
    #[error("expected UTF-8, got something else")]
    NotUtf8,
    /// It breaks the grammar.
    #[error("expected well-formed XML, got something else at octet {0}")]
    Malformed(usize),
    /// It has a document type, or an entity other than the five of XML: nobody needs them, and they are a way to attack.
    #[error("expected XML without a document type and without entities of its own, got one at octet {0}")]
    DocumentType(usize),
    /// It exceeds a bound.
    #[error("expected XML within bounds, got too many {0}")]
    TooLarge(&'static str),
}

/// An element, by its name without prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// The text directly in it.
    text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Reads a document and gives its root.
    pub(super) fn parse(body: &[u8]) -> Result<Self, XmlError> {
        if body.len() > MOST_OCTETS {
            return Err(XmlError::TooLarge("octets"));
        }
        let text = std::str::from_utf8(body).map_err(|_| XmlError::NotUtf8)?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
        let (mut open, mut root, mut count) = (Vec::<Self>::new(), None, 0usize);
        loop {
            let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let malformed = XmlError::Malformed(at);
            match reader.read_event().map_err(|_| malformed)? {
                Event::Start(start) => {
                    count += 1;
                    if open.len() >= MOST_DEPTH {
                        return Err(XmlError::TooLarge("levels"));
                    }
                    open.push(Self::begun(&start, at, count)?);
                }
                Event::Empty(start) => {
                    count += 1;
                    let element = Self::begun(&start, at, count)?;
                    put(element, &mut open, &mut root).ok_or(malformed)?;
                }
                Event::End(_) => {
                    let element = open.pop().ok_or(malformed)?;
                    put(element, &mut open, &mut root).ok_or(malformed)?;
                }
                Event::Text(text) => write_text(&mut open, &text.xml10_content()).ok_or(malformed)?,
                Event::CData(text) => write_text(&mut open, &text.xml10_content()).ok_or(malformed)?,
                Event::GeneralRef(reference) => {
                    let name = reference.xml10_content();
                    match reference.resolve_char_ref().map_err(|_| malformed)? {
                        Some(c) => write_text(&mut open, c.encode_utf8(&mut [0; 4])),
                        None => {
                            let text = resolve_xml_entity(&name).ok_or(XmlError::DocumentType(at))?;
                            write_text(&mut open, text)
                        }
                    }
                    .ok_or(malformed)?;
                }
                Event::DocType(_) => return Err(XmlError::DocumentType(at)),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if open.is_empty() => return root.ok_or(malformed),
                Event::Eof => return Err(malformed),
            }
        }
    }

    fn begun(start: &BytesStart<'_>, at: usize, count: usize) -> Result<Self, XmlError> {
        if count > MOST_ELEMENTS {
            return Err(XmlError::TooLarge("elements"));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            if attributes.len() >= MOST_ATTRIBUTES {
                return Err(XmlError::TooLarge("attributes"));
            }
            let attribute = attribute.map_err(|_| XmlError::Malformed(at))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| XmlError::DocumentType(at))?;
            attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
        }
        Ok(Self { name: start.local_name().as_ref().to_owned(), attributes, ..Self::default() })
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim())
    }

    /// The first element of this name in it.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.all(name).next()
    }

    /// The elements of this name in it.
    pub(super) fn all<'e>(&'e self, name: &str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text directly in it, without white space around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }
}

/// Puts a complete element where it belongs; `None` if there is a root already.
fn put(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Option<()> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return None,
    }
    Some(())
}

/// Adds text to the innermost element; outside the root only white space may stand.
fn write_text(open: &mut [Element], text: &str) -> Option<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return None,
    }
    Some(())
}

/// Appends text as it may stand in an element or a quoted attribute. Characters that XML cannot hold are left out.
pub(super) fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\r' | '\n' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Element, XmlError> {
        Element::parse(text.as_bytes())
    }

    #[test]
    fn a_document_becomes_a_tree() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- x --><p:a xmlns:p=\"u\" b='1 &lt; 2'> t&amp;&#117;<p:c/>\
            <![CDATA[ <d> ]]><c n=\"2\">x</c></p:a>\n";
        let root = parse(text).unwrap();
        assert_eq!((root.name.as_str(), root.attribute("b")), ("a", Some("1 < 2")));
        assert_eq!(root.text(), "t&u <d>");
        assert_eq!(root.all("c").count(), 2);
        assert_eq!(root.children[1].attribute("n"), Some("2"));
        assert_eq!(root.child("d"), None);
    }

    #[test]
    fn attacks_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"cc\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert!(matches!(parse(bomb), Err(XmlError::DocumentType(_))));
        assert!(matches!(parse("<a>&b;</a>"), Err(XmlError::DocumentType(_))));
        assert!(matches!(parse("<a b='&c;'/>"), Err(XmlError::DocumentType(_))));
        let deep = "<a>".repeat(MOST_DEPTH + 1);
        assert_eq!(parse(&deep), Err(XmlError::TooLarge("levels")));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS));
        assert_eq!(parse(&wide), Err(XmlError::TooLarge("elements")));
        let many: String = (0..=MOST_ATTRIBUTES).map(|n| format!(" b{n}='1'")).collect();
        assert_eq!(parse(&format!("<a{many}/>")), Err(XmlError::TooLarge("attributes")));
        assert_eq!(parse(&" ".repeat(MOST_OCTETS + 1)), Err(XmlError::TooLarge("octets")));
        assert_eq!(Element::parse(b"<a>\xff</a>"), Err(XmlError::NotUtf8));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>text",
            "<a b/>",
            "<a b='1' b='2'/>",
            "<a b=1/>",
            "<a>&#xD800;</a>",
            "<a>&#99999999;</a>",
            "<a>&</a>",
            "<a",
        ] {
            assert!(matches!(parse(text), Err(XmlError::Malformed(_))), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn text_is_written_so_that_it_is_read_back() {
        let mut out = String::new();
        push_text(&mut out, "a<b>&\"c'\u{0}d");
        assert_eq!(out, "a&lt;b&gt;&amp;&quot;c&apos;d");
        let root = parse(&format!("<a b=\"{out}\">{out}</a>")).unwrap();
        assert_eq!((root.text(), root.attribute("b")), ("a<b>&\"c'd", Some("a<b>&\"c'd")));
    }
}
