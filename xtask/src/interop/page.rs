//! The page `docs/interop.md`, made of the results.

use std::fmt::Write as _;

use super::{
    broker::{Broker, Cannot, Capability},
    results::{Cell, Cells, Column, Results, Row},
};

const HEAD: &str = "\
# Interoperability

What works between our clients and each broker, directly and through the gateway. `cargo xtask interop` makes this
page and [interop.json](interop.json): it tries each capability over real connections to a running broker, and what
is said not to work was seen not to. [How](#how) is at the end.

";

const HOW: &str = "\
## How

Each capability has connections and destinations of its own. Where nothing is to come, a message that is sent
afterwards has to be the next. The clients run with their defaults, and what is said above a broker's table, but
without heart-beats where those are not what is looked at. In the columns of the gateway the JavaScript client
connects to `stompbox gateway` by WebSocket, with destinations `/queue/…` and `/topic/…` whatever the broker's own are.

";

const RUN: &str = "
`cargo xtask test` does so with Stompbox and RabbitMQ, which takes Debian's package `rabbitmq-server`. What a broker
can't do, and what is seen then, is in `tests/interop/brokers/KIND.json`: where anything else fails, or it fails
otherwise, the task fails. `cargo xtask interop` writes this page, `--check` only compares.

| variable | what it is for |
|---|---|
| `INTEROP=all` | all brokers; `INTEROP=rabbitmq,artemis` is these two. Rows that are not tried stay as they are |
| `INTEROP_BROKERS` | the folder of scripts `KIND.sh start\\|stop\\|status` that start the others and print `STOMP_URL=`, `WS_URL=`, `LOGIN=` and `PASSCODE=`; `../shared/brokers` if there is one |
| `INTEROP_KIND_TCP`, `INTEROP_KIND_WS` | with the kind in capitals, a broker that runs elsewhere, such as `INTEROP_ARTEMIS_TCP=stomp://mq:61613` and `INTEROP_ARTEMIS_WS=ws://mq:61614/`. It needs no script. Queues named `interop-…` stay behind there |
| `INTEROP_KIND_LOGIN`, `INTEROP_KIND_PASSCODE`, `INTEROP_KIND_HOST` | how to log in to that |
";

/// The page.
pub(crate) fn render(results: &Results, brokers: &[Broker], capabilities: &[Capability]) -> String {
    let mut page = HEAD.to_owned();
    let rows: Vec<_> = brokers
        .iter()
        .filter_map(|broker| Some((broker, results.0.get(&broker.kind)?)))
        .collect();
    overview(&mut page, &rows, capabilities);
    for (broker, row) in &rows {
        section(&mut page, broker, row, capabilities);
    }
    page += HOW;
    for Capability { title, what, .. } in capabilities {
        let _ = writeln!(page, "- **{title}**: {what}.");
    }
    page += RUN;
    page
}

/// A line for each broker.
fn overview(page: &mut String, rows: &[(&Broker, &Row)], capabilities: &[Capability]) {
    let titles = Column::ALL.map(Column::title).join(" | ");
    let _ = writeln!(
        page,
        "| | {titles} |\n|---|{}",
        "---|".repeat(Column::ALL.len())
    );
    for (broker, row) in rows {
        let link = anchor(&broker.title);
        let _ = write!(page, "| [{}](#{link})", broker.title);
        for column in Column::ALL {
            let _ = write!(
                page,
                " | {}",
                summary(row.columns.get(&column), capabilities)
            );
        }
        page.push_str(" |\n");
    }
    let many = capabilities.len();
    let _ = writeln!(
        page,
        "\nThe numbers are how many of {many} capabilities work, and always."
    );
    page.push('\n');
}

fn summary(cells: Option<&Cells>, capabilities: &[Capability]) -> String {
    let Some(cells) = cells else {
        return "not run".into();
    };
    let works = |name: &str| cells.get(name) == Some(&Cell::Works);
    let count = capabilities.iter().filter(|it| works(&it.name)).count();
    if count == capabilities.len() {
        "all".into()
    } else {
        format!("{count} of {}", capabilities.len())
    }
}

/// A broker's own table, and why what doesn't work can't.
fn section(page: &mut String, broker: &Broker, row: &Row, capabilities: &[Capability]) {
    let _ = writeln!(page, "## {}\n", broker.title);
    if !row.server.is_empty() {
        let _ = writeln!(page, "It calls itself `{}`.", row.server);
    }
    for need in &broker.needs {
        let _ = writeln!(page, "{need}");
    }
    let columns: Vec<_> = Column::ALL
        .into_iter()
        .filter_map(|column| Some((column, row.columns.get(&column)?)))
        .collect();
    let titles: Vec<_> = columns.iter().map(|(column, _)| column.title()).collect();
    let _ = writeln!(page, "\n| | {} |", titles.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(columns.len()));
    let mut reasons = Reasons::default();
    for Capability { name, title, .. } in capabilities {
        let _ = write!(page, "| {title}");
        for (column, cells) in &columns {
            let text = match cells.get(name) {
                Some(Cell::Works) => "yes".to_owned(),
                Some(Cell::Fails(seen)) => {
                    let known = broker.cannot.iter().find(|it| it.is_of(*column, name));
                    format!("no [{}]", reasons.number(known, seen))
                }
                Some(Cell::Sometimes(seen)) => {
                    let known = broker.cannot.iter().find(|it| it.is_of(*column, name));
                    format!("at times [{}]", reasons.number(known, seen))
                }
                None => "not run".to_owned(),
            };
            let _ = write!(page, " | {text}");
        }
        page.push_str(" |\n");
    }
    page.push('\n');
    for (number, (why, seen)) in reasons.0.iter().enumerate() {
        let _ = writeln!(page, "{}. {why} Seen: *{}*", number + 1, seen.join("*; *"));
    }
    if !reasons.0.is_empty() {
        page.push('\n');
    }
}

/// Reasons in the order in which they are needed, each with all that was seen of it.
#[derive(Default)]
struct Reasons<'a>(Vec<(&'a str, Vec<String>)>);

impl<'a> Reasons<'a> {
    fn number(&mut self, known: Option<&'a Cannot>, seen: &str) -> usize {
        let why = known.map_or("Nobody knows why.", |it| &it.why);
        let seen = seen
            .replace('*', "\\*")
            .replace('|', "\\|")
            .replace('<', "&lt;");
        let at = self
            .0
            .iter()
            .position(|(it, _)| *it == why)
            .unwrap_or_else(|| {
                self.0.push((why, Vec::new()));
                self.0.len() - 1
            });
        let all = &mut self.0[at].1;
        if !all.contains(&seen) {
            all.push(seen);
        }
        at + 1
    }
}

/// The name of a heading, as links to it have it.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase().replace(' ', "-");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || *c == '-')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::results::Found;

    #[test]
    fn each_reason_is_told_once() {
        let capability = |name: &str| Capability {
            name: name.into(),
            title: name.to_uppercase(),
            what: "it is seen".into(),
        };
        let cannot = |capabilities: &[&str], why: &str| Cannot {
            capabilities: capabilities.iter().map(|it| (*it).to_owned()).collect(),
            columns: None,
            sometimes: false,
            seen: Vec::new(),
            why: why.into(),
        };
        let broker = Broker {
            kind: "some".into(),
            title: "Some (Broker)".into(),
            host: None,
            gateway_kind: "generic".into(),
            needs: vec!["It needs `host:/`.".into()],
            cannot: vec![
                cannot(&["b", "c"], "It has none."),
                cannot(&["d"], "Too big."),
            ],
        };
        let mut results = Results::default();
        let fails = |seen: &str| Cell::Fails(seen.into());
        let cells = [
            ("a", Cell::Works),
            ("b", fails("x")),
            ("c", fails("y|z")),
            ("d", Cell::Sometimes("x".into())),
        ];
        let found = Found {
            server: "Some/1".into(),
            cells: cells.map(|(name, cell)| (name.to_owned(), cell)).into(),
        };
        results.set("some", Column::JsWs, found);
        let all = ["a", "b", "c", "d"].map(capability);
        let page = render(&results, &[broker], &all);
        let row = "| [Some (Broker)](#some-broker) | not run | not run | not run | 1 of 4 | not run | not run |";
        assert!(page.contains(row), "{page}");
        let table = "It calls itself `Some/1`.\nIt needs `host:/`.\n\n| | JavaScript, WebSocket |\n|---|---|\n\
                     | A | yes |\n| B | no [1] |\n| C | no [1] |\n| D | at times [2] |\n\n\
                     1. It has none. Seen: *x*; *y\\|z*\n2. Too big. Seen: *x*\n";
        assert!(page.contains(table), "{page}");
    }
}
