//! The verbs of the prompt, and their help.

use std::fmt::Write as _;

/// What a verb does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Send,
    SendReceipt,
    SendReply,
    SendFile,
    Request,
    Subscribe,
    Unsubscribe,
    Ack,
    Nack,
    Begin,
    Commit,
    Abort,
    Wait,
    Sleep,
    Stats,
    Run,
    Version,
    Help,
    Quit,
}

/// What a word of a line is, for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Destination,
    Subscription,
    AckMode,
    Message,
    Transaction,
    File,
    OnOff,
    Verb,
    /// Nothing that could be known.
    Free,
}

/// A verb with its names, the usual one first.
pub(super) struct Entry {
    pub(super) verb: Verb,
    pub(super) names: &'static [&'static str],
    usage: &'static str,
    about: &'static str,
    more: &'static str,
    /// How many words there must be, the body not counted.
    pub(super) least: usize,
    pub(super) words: &'static [Kind],
    /// Whether the rest of the line is a body, without which it can't be done.
    pub(super) has_body: bool,
}

const fn entry(
    verb: Verb,
    names: &'static [&'static str],
    usage: &'static str,
    about: &'static str,
) -> Entry {
    Entry {
        verb,
        names,
        usage,
        about,
        more: "",
        least: 0,
        words: &[],
        has_body: false,
    }
}

impl Entry {
    const fn takes(mut self, least: usize, words: &'static [Kind]) -> Self {
        self.least = least;
        self.words = words;
        self
    }

    const fn body(mut self) -> Self {
        self.has_body = true;
        self
    }

    const fn more(mut self, more: &'static str) -> Self {
        self.more = more;
        self
    }

    /// How it is to be typed.
    pub(super) fn expected(&self) -> String {
        let space = if self.usage.is_empty() { "" } else { " " };
        let name = self.names.first().copied().unwrap_or_default();
        format!("expected: {name}{space}{}", self.usage)
    }
}

const BODY: &str = "The body is the rest of the line; if it is in quotes, what is in them. -H NAME:VALUE adds a header.
In a transaction it goes out when that is committed, which waits for the receipt.";

/// All verbs, in the order of their help.
pub(super) const VERBS: [Entry; 19] = [
    entry(
        Verb::SendReceipt,
        &["pub", "sendrec"],
        "[-H NAME:VALUE] DESTINATION BODY",
        "send a message, and wait for the broker's receipt",
    )
    .takes(1, &[Kind::Destination])
    .body()
    .more(BODY),
    entry(
        Verb::Send,
        &["send"],
        "[-H NAME:VALUE] DESTINATION BODY",
        "send a message; what is wrong with it may come as an ERROR later",
    )
    .takes(1, &[Kind::Destination])
    .body()
    .more(BODY),
    entry(
        Verb::SendReply,
        &["sendreply"],
        "[-H NAME:VALUE] DESTINATION CORRELATION-ID BODY",
        "answer a request",
    )
    .takes(2, &[Kind::Destination, Kind::Free])
    .body()
    .more("The destination is the reply-to of the request, the correlation-id its own."),
    entry(
        Verb::SendFile,
        &["sendfile"],
        "[-H NAME:VALUE] DESTINATION PATH",
        "send a file's bytes, and wait for the broker's receipt",
    )
    .takes(2, &[Kind::Destination, Kind::File])
    .more("The bytes are sent as they are, not in base64 as stomp.py does."),
    entry(
        Verb::Request,
        &["req"],
        "[-H NAME:VALUE] [-W TIME] DESTINATION BODY",
        "send a request, and print its reply",
    )
    .takes(1, &[Kind::Destination])
    .body()
    .more("It waits for 10s, or as long as -W says."),
    entry(
        Verb::Subscribe,
        &["sub", "subscribe"],
        "[-H NAME:VALUE] DESTINATION [ACK]",
        "subscribe, and print the messages as they come",
    )
    .takes(1, &[Kind::Destination, Kind::AckMode])
    .more("ACK is auto, client or client-individual (individual for short). -H id:NAME gives the subscription a name."),
    entry(
        Verb::Unsubscribe,
        &["unsub", "unsubscribe"],
        "[-H NAME:VALUE] SUBSCRIPTION|DESTINATION",
        "end a subscription",
    )
    .takes(1, &[Kind::Subscription])
    .more("-H durable:true ends a durable one for good, where the broker has it so."),
    entry(
        Verb::Ack,
        &["ack"],
        "MESSAGE-ID [SUBSCRIPTION] | all",
        "acknowledge a message, and in the mode client all before it",
    )
    .takes(1, &[Kind::Message, Kind::Subscription])
    .more("The message's ack header does as well as its message-id. In a transaction it happens when that is committed."),
    entry(
        Verb::Nack,
        &["nack"],
        "MESSAGE-ID [SUBSCRIPTION] | all",
        "refuse a message: the broker decides what becomes of it",
    )
    .takes(1, &[Kind::Message, Kind::Subscription]),
    entry(
        Verb::Begin,
        &["begin"],
        "",
        "begin a transaction, in which all that follows happens",
    ),
    entry(
        Verb::Commit,
        &["commit"],
        "[TRANSACTION]",
        "commit the last transaction begun, or the one that is named",
    )
    .takes(0, &[Kind::Transaction]),
    entry(
        Verb::Abort,
        &["abort", "rollback"],
        "[TRANSACTION]",
        "abort the last transaction begun, or the one that is named",
    )
    .takes(0, &[Kind::Transaction]),
    entry(
        Verb::Wait,
        &["wait"],
        "[-W TIME] NUMBER",
        "wait until so many more messages have come",
    )
    .takes(1, &[Kind::Free])
    .more("Those count that came since the last wait. It fails, with exit code 5, after 10s, or as long as -W says."),
    entry(Verb::Sleep, &["sleep"], "TIME", "do nothing for so long, as 500ms")
        .takes(1, &[Kind::Free]),
    entry(
        Verb::Stats,
        &["stats"],
        "[on|off]",
        "print what was sent and received, and what is subscribed",
    )
    .takes(0, &[Kind::OnOff])
    .more("off ends the counting, on begins it anew."),
    entry(
        Verb::Run,
        &["run"],
        "PATH",
        "do what is in a file, up to the first line that fails",
    )
    .takes(1, &[Kind::File])
    .more("A verb a line; empty lines and those that begin with # are left out."),
    entry(
        Verb::Version,
        &["version", "ver"],
        "",
        "print the versions of this program, the protocol and the broker",
    ),
    entry(Verb::Help, &["help", "?"], "[VERB]", "print this, or how a verb is used")
        .takes(0, &[Kind::Verb]),
    entry(Verb::Quit, &["quit", "exit"], "", "disconnect, and end; Ctrl-D does it too"),
];

/// The verb of a name.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    VERBS.iter().find(|entry| entry.names.contains(&name))
}

/// The help of a verb, or of all.
pub(super) fn help(name: Option<&str>) -> Option<String> {
    let mut text = String::new();
    // Nothing fails in writing to a String.
    match name {
        None => {
            for entry in &VERBS {
                let _ = writeln!(text, "{:<20} {}", entry.names.join(", "), entry.about);
            }
        }
        Some(name) => {
            let entry = find(name)?;
            for name in entry.names {
                let _ = writeln!(text, "{}", format!("{name} {}", entry.usage).trim_end());
            }
            let _ = writeln!(text, "  {}", entry.about);
            for line in entry.more.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_names_of_its_own_and_help() {
        let mut names: Vec<_> = VERBS.iter().flat_map(|entry| entry.names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        // The verbs of stomp.py.
        for name in [
            "send",
            "sendrec",
            "sendreply",
            "sendfile",
            "subscribe",
            "unsubscribe",
            "ack",
            "nack",
            "begin",
            "commit",
            "abort",
            "rollback",
            "stats",
            "run",
            "version",
            "ver",
            "help",
            "quit",
            "exit",
        ] {
            assert!(
                help(Some(name))
                    .unwrap()
                    .starts_with(find(name).unwrap().names[0])
            );
        }
        assert_eq!(help(Some("nothing")), None);
        assert_eq!(help(None).unwrap().lines().count(), VERBS.len());
    }
}
