//! Whole bodies, and broken ones.

use super::*;
use crate::cause::lex::broken;
use hookswitch_machine::Entropy;

/// Made after the examples of RFC 4235 6.
const FULL: &str = r#"<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"
             version="1"
             state="full"
             entity="sip:alice@example.com">
  <dialog id="as7d900as8" call-id="a84b4c76e66710"
          local-tag="1928301774" remote-tag="456887766"
          direction="initiator">
    <state event="rejected" code="486">terminated</state>
    <duration>274</duration>
    <local>
      <target uri="sip:alice@pc33.example.com">
        <param pname="+sip.rendering" pval="no"/>
      </target>
    </local>
    <remote>
      <identity display="Bob &amp; Co">sip:bob@example.org</identity>
      <target uri="sip:bobster@phone21.example.org"/>
    </remote>
  </dialog>
</dialog-info>"#;

#[test]
fn a_document_with_everything_is_read_and_written() {
    let info = DialogInfo::parse(FULL.as_bytes()).unwrap();
    assert_eq!((info.version, info.full, info.entity.as_str()), (1, true, "sip:alice@example.com"));
    let dialog = &info.dialogs[0];
    assert_eq!(dialog.id, "as7d900as8");
    assert_eq!(dialog.call_id.as_deref(), Some("a84b4c76e66710"));
    assert_eq!(dialog.local_tag.as_deref(), Some("1928301774"));
    assert_eq!(dialog.remote_tag.as_deref(), Some("456887766"));
    assert_eq!(dialog.direction, Some(Direction::Initiator));
    assert_eq!(dialog.state, DialogState::Terminated);
    assert_eq!((dialog.event, dialog.code), (Some(DialogEvent::Rejected), Some(486)));
    assert_eq!(dialog.local.target.as_deref(), Some("sip:alice@pc33.example.com"));
    assert_eq!(dialog.local.rendering, Some(false));
    assert_eq!(dialog.remote.identity.as_deref(), Some("sip:bob@example.org"));
    assert_eq!(dialog.remote.display.as_deref(), Some("Bob & Co"));
    assert_eq!(DialogInfo::parse(info.to_string().as_bytes()), Ok(info));
}

#[test]
fn a_document_without_dialogs_says_that_nobody_talks() {
    let text = "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" state=\"full\" entity=\"sip:a@a.com\"/>";
    let info = DialogInfo::parse(text.as_bytes()).unwrap();
    assert_eq!(
        info,
        DialogInfo { version: 0, full: true, entity: "sip:a@a.com".into(), dialogs: Vec::new() }
    );
    assert_eq!(DialogInfo::parse(info.to_string().as_bytes()), Ok(info));
}

#[test]
fn what_must_be_there_is_asked_for() {
    for (text, part) in [
        (FULL.replace("dialog-info", "presence"), "the element dialog-info"),
        (FULL.replace("version=\"1\"\n", ""), "a version"),
        (FULL.replace("version=\"1\"\n", "version=\"-1\" "), "a version"),
        (FULL.replace("\"full\"", "\"half\""), "a state, full or partial"),
        (FULL.replace(" entity=\"sip:alice@example.com\"", ""), "an entity"),
        (FULL.replace("dialog id=", "dialog no="), "an id of each dialog"),
        (FULL.replace(">terminated<", ">napping<"), "a state of each dialog"),
        (FULL.replace("as7d900as8", &"a".repeat(2_000)), "texts of 1024 octets at the most"),
        (
            FULL.replace("</dialog-info>", &format!("{}</dialog-info>", "<dialog/>".repeat(256))),
            "256 dialogs at the most",
        ),
    ] {
        assert_eq!(DialogInfo::parse(text.as_bytes()), Err(DialogInfoError::Part(part)));
    }
    // Neither is worth losing the rest.
    let text =
        FULL.replace("486", "9999").replace("\"rejected\"", "\"bored\"").replace("initiator", "bystander");
    let dialog = &DialogInfo::parse(text.as_bytes()).unwrap().dialogs[0];
    assert_eq!((dialog.event, dialog.code, dialog.direction), (None, None, None));
}

#[test]
fn broken_bodies_are_refused_or_written_as_they_were_read() {
    let mut entropy = Entropy::from_number(7);
    for text in broken(FULL, &mut entropy) {
        if let Ok(info) = DialogInfo::parse(text.as_bytes()) {
            let again = DialogInfo::parse(info.to_string().as_bytes()).unwrap();
            assert_eq!(again.dialogs.len(), info.dialogs.len());
            assert_eq!((again.version, again.full), (info.version, info.full));
        }
    }
    let sample = "Messages-Waiting: yes\r\nMessage-Account: sip:a@b.com\r\nVoice-Message: 4/8 (1/2)\r\n";
    for text in broken(sample, &mut entropy) {
        if let Ok(summary) = MessageSummary::parse(text.as_bytes()) {
            assert_eq!(MessageSummary::parse(summary.to_string().as_bytes()), Ok(summary), "{text:?}");
        }
    }
    for value in broken("terminated;reason=probation;retry-after=60", &mut entropy) {
        let _ = SubscriptionState::parse(&value).to_string();
    }
    for value in broken("dialog;id=7", &mut entropy) {
        if let Some(event) = Event::parse(&value) {
            assert_eq!(Event::parse(&event.to_string()), Some(event), "{value:?}");
        }
    }
}
