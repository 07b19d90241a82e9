//! What was found, held against what is known of a broker.

use super::{
    broker::Broker,
    results::{Cell, Column, Found},
};

/// Adds a fault for each cell that fails otherwise than is known; says so where one works that
/// is said not to. Gives what to note.
pub(crate) fn hold(
    broker: &Broker,
    column: Column,
    found: Found,
    faults: &mut Vec<String>,
) -> Found {
    let note = |(name, cell): (String, Cell)| {
        let place = format!("{}, {}, {name}", broker.title, column.title());
        let known = broker.cannot.iter().find(|it| it.is_of(column, &name));
        let cell = match (cell, known) {
            (Cell::Fails(seen), None) => {
                faults.push(format!("{place}: it is to work, but {seen}"));
                Cell::Fails(seen)
            }
            (Cell::Fails(seen), Some(known)) if !known.explains(&seen) => {
                let expected = known.seen.join(" or ");
                faults.push(format!("{place}: not {expected:?} was seen, but {seen}"));
                Cell::Fails(seen)
            }
            // Which it was this time says nothing.
            (_, Some(known)) if known.sometimes => Cell::Sometimes(known.seen.join("; ")),
            (Cell::Works, Some(_)) => {
                eprintln!("{place}: it works, though it is said that it can't");
                Cell::Works
            }
            (cell, _) => cell,
        };
        (name, cell)
    };
    Found {
        server: found.server,
        cells: found.cells.into_iter().map(note).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::broker::Cannot;

    fn cannot(capability: &str, columns: Option<Vec<Column>>, sometimes: bool) -> Cannot {
        Cannot {
            capabilities: vec![capability.to_owned()],
            columns,
            sometimes,
            seen: vec!["Came twice".into()],
            why: "It counts so.".into(),
        }
    }

    fn hold_one(cannot: Vec<Cannot>, column: Column, cell: Cell) -> (Cell, usize) {
        let broker = Broker {
            kind: "some".into(),
            title: "Some".into(),
            host: None,
            gateway_kind: "generic".into(),
            needs: Vec::new(),
            cannot,
        };
        let mut faults = Vec::new();
        let found = Found {
            server: String::new(),
            cells: [("queue".to_owned(), cell)].into(),
        };
        let mut found = hold(&broker, column, found, &mut faults);
        (found.cells.remove("queue").unwrap(), faults.len())
    }

    #[test]
    fn what_no_longer_works_is_a_fault() {
        let fails = || Cell::Fails("it came twice".into());
        let other = || Cell::Fails("nothing came".into());
        let tcp = Column::RustTcp;
        let hold = |known, cell| hold_one(known, tcp, cell);
        assert_eq!(hold(vec![], Cell::Works), (Cell::Works, 0));
        assert_eq!(hold(vec![], fails()), (fails(), 1));
        let known = || vec![cannot("queue", None, false)];
        assert_eq!(hold(known(), fails()), (fails(), 0));
        assert_eq!(
            hold(known(), other()),
            (other(), 1),
            "the reason is not true"
        );
        assert_eq!(hold(known(), Cell::Works), (Cell::Works, 0));
        let elsewhere = || vec![cannot("queue", Some(vec![Column::RustWs]), false)];
        assert_eq!(hold(elsewhere(), fails()), (fails(), 1));
        assert_eq!(
            hold(vec![cannot("topic", None, false)], fails()),
            (fails(), 1)
        );
        assert_eq!(hold(vec![cannot("*", None, false)], fails()), (fails(), 0));
    }

    #[test]
    fn what_works_at_times_is_noted_alike_each_time() {
        let known = || vec![cannot("queue", None, true)];
        let noted = Cell::Sometimes("Came twice".into());
        for cell in [Cell::Works, Cell::Fails("it came twice".into())] {
            assert_eq!(hold_one(known(), Column::JsWs, cell), (noted.clone(), 0));
        }
        let other = Cell::Fails("nothing came".into());
        assert_eq!(hold_one(known(), Column::JsWs, other.clone()), (other, 1));
    }
}
