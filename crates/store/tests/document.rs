//! The file: what is kept, what is numbered, and what is said about mistakes.

use hookswitch_store::{Document, EditError, LineNumber, ProviderId, absolute_paths};

const PROVIDER: ProviderId = ProviderId(7);
const HEAD: &str = "format = 1\nprovider = \"0000000000000007\"\nserial = 1\nnext-line = 4\n";

#[test]
fn a_new_document_reads_as_it_was_written() {
    let document = Document::new(PROVIDER);
    let again = Document::parse(&document.text()).expect("sound");
    assert_eq!((again.provider(), again.serial(), again.next_line()), (PROVIDER, 1, LineNumber(1)));
    assert!(document.text().starts_with("# What the provider"), "{}", document.text());
}

#[test]
fn an_imported_file_keeps_its_comments_and_gets_numbers() {
    let text = "# top\n[sip]\nlisten = ['udp:0.0.0.0:5060'] # all\n\n# desk\n[[line]]\nname = 'a'\n[[line]]\nname = 'b'\n";
    let document = Document::import(text, PROVIDER).expect("sound");
    let written = document.text();
    for part in [
        "# top\n",
        "# all",
        "# desk\n[[line]]\nname = 'a'\nid = 1\n",
        "name = 'b'\nid = 2\n",
        "next-line = 3",
    ] {
        assert!(written.contains(part), "{part} is missing in\n{written}");
    }
    assert!(Document::parse(&written).is_ok(), "{written}");
    assert!(Document::import(&written, PROVIDER).is_err_and(|fault| fault.key == "format"));
}

#[test]
fn numbers_of_removed_lines_are_never_given_again() {
    let mut document = Document::new(PROVIDER);
    let add = |document: &mut Document, name: &str| document.add_line(name, Vec::new()).expect("a free name");
    assert_eq!((add(&mut document, "a"), add(&mut document, "b")), (LineNumber(1), LineNumber(2)));
    assert_eq!(document.remove_line("b"), Ok(LineNumber(2)));
    assert_eq!(document.remove_line("a"), Ok(LineNumber(1)));
    let mut document = Document::parse(&document.text()).expect("sound");
    assert_eq!(add(&mut document, "a"), LineNumber(3));
}

#[test]
fn a_renamed_line_keeps_its_number_and_what_stands_around_it() {
    let text = format!(
        "{HEAD}\n# the desk\n[[line]]\nid = 3 # never change\nname = \"a\" # its name\nuser = \"1\"\n"
    );
    let mut document = Document::parse(&text).expect("sound");
    document.change_line("a", vec![("name", Some("b".into())), ("user", None)]).expect("changed");
    let expected = format!("{HEAD}\n# the desk\n[[line]]\nid = 3 # never change\nname = \"b\" # its name\n");
    assert_eq!(document.text(), expected);
}

#[test]
fn edits_that_cannot_be_made_change_nothing_and_say_why() {
    let text = format!("{HEAD}[[line]]\nid = 1\nname = 'a'\n[[line]]\nid = 2\nname = 'b'\n");
    let mut document = Document::parse(&text).expect("sound");
    assert_eq!(document.add_line("a", Vec::new()), Err(EditError::NameTaken("a".into())));
    assert_eq!(
        document.change_line("a", vec![("name", Some("b".into()))]),
        Err(EditError::NameTaken("b".into()))
    );
    assert_eq!(document.change_line("a", vec![("id", None)]), Err(EditError::Reserved("line.id".into())));
    let missing = document.remove_line("c").expect_err("no such line").to_string();
    assert!(missing.contains("\"c\"") && missing.contains("a, b"), "{missing}");
    assert_eq!(document.set("serial", None), Err(EditError::Reserved("serial".into())));
    for option in ["line.name", "ports", "media.", ".x", "a.b.c"] {
        assert!(matches!(document.set(option, Some(1.into())), Err(EditError::NoOption { .. })), "{option}");
    }
    assert_eq!(document.text(), text);
}

#[test]
fn options_are_set_changed_and_taken_out() {
    let mut document = Document::parse(HEAD).expect("sound");
    document.set("media.threads", Some(2.into())).expect("set");
    document.set("media.threads", Some(3.into())).expect("set");
    assert!(document.text().ends_with("\n[media]\nthreads = 3\n"), "{}", document.text());
    document.set("media.threads", None).expect("taken out");
    document.set("sip.shards", None).expect("was not there");
    assert_eq!(document.text(), HEAD);
    document.set_priority("voice", &["b".into(), "a".into()]).expect("set");
    assert!(document.text().ends_with("\n[priorities]\nvoice = [\"b\", \"a\"]\n"), "{}", document.text());
    document.set_priority("voice", &[]).expect("taken out");
    assert_eq!(document.text(), HEAD);
}

#[test]
fn every_mistake_in_the_file_has_place_key_and_expectation() {
    let provider = "provider = '0000000000000007'\n";
    for (text, at, key, part) in [
        ("".to_owned(), "", "format", "expected a number"),
        ("format = 2\n".to_owned(), "2", "format", "format 2"),
        ("format = 'one'\n".to_owned(), "'one'", "format", "expected a number"),
        ("format = 1\nserial = 1\n".to_owned(), "", "provider", "restore"),
        ("format = 1\nprovider = 'mine'\n".to_owned(), "'mine'", "provider", "16 hexadecimal digits"),
        (format!("format = 1\n{provider}serial = -3\n"), "-3", "serial", "from 1"),
        (format!("format = 1\n{provider}serial = 1\n"), "", "next-line", "restore"),
        (format!("{HEAD}[[line]]\nid = 4\n"), "4", "line.id", "beyond next-line"),
        (format!("{HEAD}[[line]]\nid = 'x'\n"), "'x'", "line.id", "leave it out"),
        (format!("{HEAD}[[line]]\nid = 0\n"), "0", "line.id", "from 1"),
        (format!("{HEAD}[[line]]\nid = 2\n[[line]]\nid = 2\n"), "2", "line.id", "two lines"),
        (format!("{HEAD}line = 3\n"), "3", "line", "[[line]]"),
        (format!("{HEAD}[line\n"), "", "", ""),
    ] {
        let fault = Document::parse(&text).expect_err(&text);
        assert_eq!(fault.key, key, "{text}\n{fault}");
        assert!(fault.message.contains(part), "{text}\n{fault}");
        if !at.is_empty() {
            assert_eq!(text.get(fault.span.clone()), Some(at), "{text}\n{fault}");
        }
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let whole = format!(
        "{HEAD}# c\n[sip]\nlisten = ['x']\n[[line]]\nid = 1\nname = 'a'\n[[line.forward]]\nwhen = 'busy'\nto = '1'\n"
    );
    for end in 0..whole.len() {
        for junk in ["", "=", "[", "'", "\u{0}", "9999999999999999999999", "\u{1F4DE}"] {
            let text = format!("{}{junk}{}", &whole[..end], &whole[end..]);
            if let Ok(mut document) = Document::parse(&text) {
                document.number_lines();
                let _ = document.remove_line("a");
                let _ = Document::parse(&document.text());
            }
            let _ = Document::parse(&format!("{}{junk}", &whole[..end]));
            let _ = Document::import(&text, PROVIDER);
        }
    }
}

#[test]
fn lines_in_an_array_are_lines_too() {
    let text = format!("{HEAD}line = [{{ name = 'a' }}, {{ name = 'b', id = 1 }}]\n");
    let mut document = Document::parse(&text).expect("sound");
    document.number_lines();
    document.add_line("c", vec![("user", "3".into())]).expect("a free name");
    document.remove_line("b").expect("it is there");
    let again = Document::parse(&document.text()).expect("sound");
    assert_eq!((again.line_names(), again.next_line()), (vec!["a", "c"], LineNumber(6)));
}

#[test]
fn relative_paths_of_an_imported_file_still_lead_there() {
    let text = "[[line]]\nname = 'a'\npassword-file = 'a.txt' # secret\nprofile = 'own.toml'\n[[line]]\npassword-file = '/etc/b'\nprofile = 'asterisk'\n";
    let moved = absolute_paths(text, "/home/me/").expect("TOML");
    assert_eq!(
        moved,
        "[[line]]\nname = 'a'\npassword-file = \"/home/me/a.txt\" # secret\nprofile = \"/home/me/own.toml\"\n[[line]]\npassword-file = '/etc/b'\nprofile = 'asterisk'\n"
    );
}
