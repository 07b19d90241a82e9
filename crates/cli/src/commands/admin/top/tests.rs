//! The view, drawn into memory.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, style::Color};
use serde_json::json;

use super::{
    super::model::{Destination, read},
    draw::draw,
    look::{Peer, PeerRates, Shot, Thing, Total},
    state::{Next, Over, Panel, State},
    words::print,
};

fn shot() -> Shot {
    let overview = json!({
        "server": { "name": "stompbox", "version": "0.1.0", "uptime_ms": 7_500_000 },
        "connections": {
            "total": 2,
            "by_transport": { "tcp": 1, "ws": 1, "tls": 0 },
            "by_version": { "1.2": 2 },
        },
        "destinations": { "queues": 30, "topics": 1, "durable_subscriptions": 0, "streams": 0 },
        "messages": { "in": 1000, "out": 999, "stored": 12_345, "bytes": 2048, "dead_lettered": 3, "unacknowledged": 7 },
        "memory": { "used": 1024, "limit": 4096, "pressed": false },
        "store": null,
        "something": "new",
    });
    let destinations = (0..30).map(|n| {
        let name = match n {
            0 => "/queue/\u{1b}[31mred".to_owned(),
            n => format!("/queue/{n:02}"),
        };
        Destination {
            name,
            kind: "queue".into(),
            depth: 30 - n,
            ..Destination::default()
        }
    });
    let peer = |id: &str, user: &str, sent: f64| Peer {
        it: read(&json!({ "id": id, "user": user, "remote": "127.0.0.1:5", "transport": "ws" }))
            .unwrap(),
        rates: Some(PeerRates {
            sent,
            ..PeerRates::default()
        }),
    };
    Shot {
        overview: read(&overview).unwrap(),
        rates: Some(Total {
            received: 12_345.0,
            bytes_sent: 1_048_576.0,
            ..Total::default()
        }),
        destinations: destinations.collect(),
        connections: vec![peer("9", "ann", 1.0), peer("10", "bob", 20.0)],
        is_cut: [true, false],
        ..Shot::default()
    }
}

fn state() -> State {
    let second = Duration::from_secs(1);
    let mut state = State::new("http://127.0.0.1:61680", second, "", true);
    state.take(Ok(shot()));
    state
}

/// The lines of a terminal, and whether there is a colour.
fn drawn(state: &mut State, width: u16, height: u16) -> (Vec<String>, bool) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        line.trim_end().to_owned()
    };
    let has_color = buffer
        .content()
        .iter()
        .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    ((0..height).map(line).collect(), has_color)
}

fn press(state: &mut State, keys: &[KeyCode]) -> Next {
    let mut next = Next::Stay;
    for &key in keys {
        next = state.key(KeyEvent::new(key, KeyModifiers::NONE));
    }
    next
}

fn typed(state: &mut State, text: &str) {
    for c in text.chars() {
        press(state, &[KeyCode::Char(c)]);
    }
}

#[test]
fn eighty_by_twenty_four_has_room_for_all_of_it() {
    let (lines, has_color) = drawn(&mut state(), 80, 24);
    assert!(has_color);
    let expected = " stompbox 0.1.0  up 2h 5m  http://127.0.0.1:61680
 in 12.3k/s (0 B/s)  out 0/s (1.0 MiB/s)  acknowledged 0/s
 connections 2: 1 tcp, 1 ws; 2 STOMP 1.2
 queues 30  topics 1  streams 0  durable 0  messages 12.3k (2.0 KiB)  unacked 7
 memory 1.0 KiB of 4.0 KiB  store none  dead 3
\u{25b6}Destinations 30+  by DEPTH
 NAME                       DEPTH UNACKED  CONS   OLDEST    IN/S   OUT/S   ACK/S
 /queue/\\u{1b}[31mred          30       0     0                0       0       0
 /queue/01                     29       0     0                0       0       0";
    assert_eq!(lines[..9].join("\n"), expected);
    let expected = " Connections 2  by OUT/S
 ID      USER         REMOTE                VIA     SUBS UNACKED   IN/S  OUT/S     QUEUED
 10      bob ";
    assert!(
        lines[14..].join("\n").starts_with(&expected[..24]),
        "{lines:#?}"
    );
    assert!(
        lines[16].contains("bob") && lines[17].contains("ann"),
        "{lines:#?}"
    );
    assert!(lines[23].starts_with(" every 1s  Tab list"), "{lines:#?}");
}

#[test]
fn no_size_is_too_small() {
    for width in [1, 2, 9, 20, 40, 79, 200] {
        for height in 1..30 {
            let mut state = state();
            drawn(&mut state, width, height);
            press(&mut state, &[KeyCode::End, KeyCode::Tab, KeyCode::PageDown]);
            drawn(&mut state, width, height);
            press(&mut state, &[KeyCode::Char('?')]);
            drawn(&mut state, width, height);
            press(&mut state, &[KeyCode::Esc, KeyCode::Enter, KeyCode::Down]);
            drawn(&mut state, width, height);
        }
    }
    // Names are the last to go.
    let (lines, _) = drawn(&mut state(), 40, 10);
    assert_eq!(lines[3], " NAME       DEPTH UNACKED  CONS   OLDEST");
    // There is nothing to be selected.
    let mut empty = State::new("x", Duration::from_secs(1), "", true);
    let keys = [
        KeyCode::Down,
        KeyCode::End,
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::Enter,
    ];
    press(&mut empty, &keys);
    let (lines, _) = drawn(&mut empty, 80, 24);
    assert!(empty.over == Over::Nothing && lines.join("\n").contains("none"));
}

#[test]
fn without_colours_there_are_none() {
    let mut state = State::new("x", Duration::from_secs(1), "", false);
    state.take(Ok(shot()));
    state.take(Err("gone".into()));
    let (lines, has_color) = drawn(&mut state, 80, 24);
    assert!(!has_color && lines[23].contains("LOST, trying again: gone"));
}

#[test]
fn keys_sort_and_reverse() {
    let mut state = state();
    let first = |state: &State| state.shown_destinations()[0].name.clone();
    assert_eq!(
        (first(&state), state.wanted.sort),
        ("/queue/\u{1b}[31mred".into(), "depth")
    );
    press(&mut state, &[KeyCode::Char('r')]);
    assert_eq!(first(&state), "/queue/29");
    // By kind, then by name.
    press(&mut state, &[KeyCode::Left, KeyCode::Char('<')]);
    assert_eq!(state.wanted.sort, "name");
    assert!(drawn(&mut state, 80, 24).0[5].ends_with("by NAME"));
    // Round, to the last.
    press(&mut state, &[KeyCode::Left]);
    assert_eq!(state.wanted.sort, "rate");
    press(&mut state, &[KeyCode::Char('c'), KeyCode::Char('r')]);
    assert_eq!(state.shown_connections()[0].it.id, "9");
    // The orders stay with what is seen next.
    state.take(Ok(shot()));
    assert_eq!(state.shown_connections()[0].it.id, "9");
    assert_eq!(state.panel, Panel::Connections);
}

#[test]
fn keys_filter_each_list() {
    let mut state = state();
    typed(&mut state, "/qQ2");
    assert!(state.is_typing && state.pane().filter == "qQ2");
    press(&mut state, &[KeyCode::Backspace]);
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    state.key(control('u'));
    typed(&mut state, "QUEUE/2");
    let (lines, _) = drawn(&mut state, 80, 24);
    assert!(lines[23].contains("filter: QUEUE/2"), "{lines:#?}");
    press(&mut state, &[KeyCode::Enter]);
    assert_eq!(state.shown_destinations().len(), 10);
    assert_eq!(
        (&*state.wanted.destinations, &*state.wanted.connections),
        ("QUEUE/2", "")
    );
    // It is not endless.
    press(&mut state, &[KeyCode::Tab, KeyCode::Char('/')]);
    typed(&mut state, &"x".repeat(1000));
    assert_eq!(state.pane().filter.len(), 200);
    press(&mut state, &[KeyCode::Esc]);
    assert!(state.pane().filter.is_empty() && !state.is_typing);
    assert_eq!(state.key(control('c')), Next::Quit);
}

#[test]
fn what_is_selected_is_seen() {
    let mut state = state();
    drawn(&mut state, 80, 24);
    assert_eq!(state.destinations.height, 7);
    press(&mut state, &[KeyCode::PageDown]);
    assert_eq!(
        (state.destinations.selected, state.destinations.offset),
        (7, 1)
    );
    press(&mut state, &[KeyCode::End]);
    assert_eq!(
        (state.destinations.selected, state.destinations.offset),
        (29, 23)
    );
    press(&mut state, &[KeyCode::Char('z')]);
    drawn(&mut state, 80, 24);
    assert_eq!(
        (state.destinations.height, state.destinations.offset),
        (16, 14)
    );
    press(&mut state, &[KeyCode::Home, KeyCode::Down]);
    let (lines, _) = drawn(&mut state, 80, 24);
    assert!(
        lines[7].contains("red") && lines[22].contains("/queue/15"),
        "{lines:#?}"
    );
    // Of what is gone nothing is selected.
    let mut fewer = shot();
    fewer.destinations.truncate(1);
    state.take(Ok(fewer));
    drawn(&mut state, 80, 24);
    assert_eq!(state.destinations.selected, 0);
}

#[test]
fn details_help_and_pause() {
    let mut state = state();
    press(&mut state, &[KeyCode::Down, KeyCode::Enter]);
    let thing = Thing::Destination("/queue/01".into());
    assert_eq!(state.wanted.detail, Some(thing.clone()));
    let mut with_detail = shot();
    with_detail.detail = Some((Thing::Destination("/queue/old".into()), vec!["old".into()]));
    state.take(Ok(with_detail.clone()));
    let (lines, _) = drawn(&mut state, 80, 24);
    assert!(lines.join("\n").contains("looking"), "{lines:#?}");
    let mut lines: Vec<_> = (0..50).map(|n| format!("line {n}")).collect();
    // A long one goes on below.
    lines.push("0123456789".repeat(9));
    with_detail.detail = Some((thing, lines));
    state.take(Ok(with_detail));
    press(&mut state, &[KeyCode::PageDown; 99]);
    let (lines, _) = drawn(&mut state, 80, 24);
    assert_eq!([&*lines[20], &lines[22]], [" line 49", "     90123456789"]);
    press(&mut state, &[KeyCode::Esc, KeyCode::Char('p')]);
    assert!(state.wanted.detail.is_none() && state.wanted.is_paused);
    assert!(drawn(&mut state, 80, 24).0[23].contains("PAUSED"));
    press(
        &mut state,
        &[KeyCode::Char(' '), KeyCode::Char('-'), KeyCode::Char('?')],
    );
    assert_eq!(state.wanted.interval, Duration::from_secs(2));
    let (lines, _) = drawn(&mut state, 80, 24);
    assert!(
        lines.join("\n").contains("q, Ctrl-C       quit"),
        "{lines:#?}"
    );
    // Help is left first.
    assert_eq!(press(&mut state, &[KeyCode::Char('q')]), Next::Stay);
    press(&mut state, &[KeyCode::Char('+'); 20]);
    assert_eq!(state.wanted.interval, Duration::from_millis(100));
    assert_eq!(press(&mut state, &[KeyCode::Char('q')]), Next::Quit);
}

#[test]
fn once_it_is_text() {
    let mut out = Vec::new();
    print(&mut out, &state()).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("\u{2026} and more\n\nID"), "{text}");
    assert!(
        text.contains("/queue/\\u{1b}[31mred") && !text.contains('\u{1b}'),
        "{text}"
    );
}
