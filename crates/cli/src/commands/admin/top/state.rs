//! What is shown, and what keys do to it.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    super::model::Destination,
    columns::{BY_DEPTH, BY_SENT, CONNECTIONS, Column, DESTINATIONS, api_sort},
    look::{Peer, Shot, Thing, Wanted},
};

/// No look follows faster.
pub(crate) const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);
/// Longest filter.
const FILTER: usize = 200;

/// A list of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    Destinations,
    Connections,
}

/// How a list is shown.
#[derive(Debug)]
pub(crate) struct Pane {
    /// The column it is sorted by.
    pub(crate) sort: usize,
    pub(crate) is_reversed: bool,
    pub(crate) filter: String,
    pub(crate) selected: usize,
    /// The first row that is seen.
    pub(crate) offset: usize,
    /// Rows that there was room for.
    pub(crate) height: usize,
}

/// What is above the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Nothing,
    Help,
    /// Scrolled by that many lines.
    Detail(usize),
}

/// All that is shown.
pub(crate) struct State {
    pub(crate) url: String,
    pub(crate) shot: Shot,
    /// Why the last look failed.
    pub(crate) trouble: Option<String>,
    pub(crate) panel: Panel,
    pub(crate) destinations: Pane,
    pub(crate) connections: Pane,
    /// Only one of the lists is seen.
    pub(crate) is_zoomed: bool,
    /// The filter is being typed.
    pub(crate) is_typing: bool,
    pub(crate) over: Over,
    pub(crate) has_colors: bool,
    pub(crate) wanted: Wanted,
}

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Stay,
    Quit,
}

impl State {
    pub(crate) fn new(url: &str, interval: Duration, filter: &str, has_colors: bool) -> Self {
        let pane = |sort| Pane {
            sort,
            is_reversed: false,
            filter: filter.to_owned(),
            selected: 0,
            offset: 0,
            height: 1,
        };
        Self {
            url: url.to_owned(),
            shot: Shot::default(),
            trouble: None,
            panel: Panel::Destinations,
            destinations: pane(BY_DEPTH),
            connections: pane(BY_SENT),
            is_zoomed: false,
            is_typing: false,
            over: Over::Nothing,
            has_colors,
            wanted: Wanted {
                interval: interval.clamp(SHORTEST, LONGEST),
                is_paused: false,
                sort: api_sort(BY_DEPTH),
                destinations: filter.to_owned(),
                connections: filter.to_owned(),
                detail: None,
            },
        }
    }

    /// Takes in what was seen.
    pub(crate) fn take(&mut self, shot: Result<Shot, String>) {
        match shot {
            Ok(shot) => {
                self.shot = shot;
                self.trouble = None;
                self.sort();
            }
            // What was there is still shown.
            Err(error) => self.trouble = Some(error),
        }
    }

    pub(crate) fn pane(&self) -> &Pane {
        match self.panel {
            Panel::Destinations => &self.destinations,
            Panel::Connections => &self.connections,
        }
    }

    fn pane_mut(&mut self) -> &mut Pane {
        match self.panel {
            Panel::Destinations => &mut self.destinations,
            Panel::Connections => &mut self.connections,
        }
    }

    /// The destinations that are shown.
    pub(crate) fn shown_destinations(&self) -> Vec<&Destination> {
        let filter = self.destinations.filter.to_lowercase();
        let all = self.shot.destinations.iter();
        all.filter(|it| filter.is_empty() || it.name.to_lowercase().contains(&filter))
            .collect()
    }

    /// The connections that are shown; the broker has filtered them.
    pub(crate) fn shown_connections(&self) -> &[Peer] {
        &self.shot.connections
    }

    fn sort(&mut self) {
        sort(
            &mut self.shot.destinations,
            &DESTINATIONS,
            &self.destinations,
        );
        sort(&mut self.shot.connections, &CONNECTIONS, &self.connections);
    }

    /// What a key does.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Stay;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Next::Quit;
        }
        if self.is_typing {
            self.typed(key.code, is_control);
        } else if self.over != Over::Nothing {
            self.key_over(key.code);
        } else if key.code == KeyCode::Char('q') {
            return Next::Quit;
        } else {
            self.key_below(key.code);
        }
        self.settle();
        Next::Stay
    }

    /// The filter is typed.
    fn typed(&mut self, code: KeyCode, is_control: bool) {
        let pane = self.pane_mut();
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                pane.filter.clear();
                self.is_typing = false;
            }
            KeyCode::Backspace => {
                pane.filter.pop();
            }
            KeyCode::Char('u') if is_control => pane.filter.clear(),
            KeyCode::Char(c) if !is_control && pane.filter.chars().count() < FILTER => {
                pane.filter.push(c);
            }
            _ => {}
        }
    }

    /// Help or details are above the lists.
    fn key_over(&mut self, code: KeyCode) {
        let page = self.pane().height.max(1);
        let Over::Detail(offset) = &mut self.over else {
            // Any key ends help.
            self.over = Over::Nothing;
            return;
        };
        match code {
            KeyCode::Down | KeyCode::Char('j') => *offset += 1,
            KeyCode::Up | KeyCode::Char('k') => *offset = offset.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => *offset += page,
            KeyCode::PageUp => *offset = offset.saturating_sub(page),
            KeyCode::Home => *offset = 0,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => {
                self.over = Over::Nothing;
                self.wanted.detail = None;
            }
            _ => {}
        }
    }

    fn key_below(&mut self, code: KeyCode) {
        let page = self.pane().height.max(1);
        let pane = self.pane_mut();
        match code {
            KeyCode::Down | KeyCode::Char('j') => pane.selected += 1,
            KeyCode::Up | KeyCode::Char('k') => pane.selected = pane.selected.saturating_sub(1),
            KeyCode::PageDown => pane.selected += page,
            KeyCode::PageUp => pane.selected = pane.selected.saturating_sub(page),
            KeyCode::Home | KeyCode::Char('g') => pane.selected = 0,
            KeyCode::End | KeyCode::Char('G') => pane.selected = usize::MAX,
            KeyCode::Char('>' | '.') | KeyCode::Right => self.sort_by(1),
            KeyCode::Char('<' | ',') | KeyCode::Left => self.sort_by(-1),
            KeyCode::Char('r') => {
                pane.is_reversed = !pane.is_reversed;
                self.sort();
            }
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Esc => pane.filter.clear(),
            KeyCode::Tab | KeyCode::BackTab => {
                self.panel = match self.panel {
                    Panel::Destinations => Panel::Connections,
                    Panel::Connections => Panel::Destinations,
                };
            }
            KeyCode::Char('d') => self.panel = Panel::Destinations,
            KeyCode::Char('c') => self.panel = Panel::Connections,
            KeyCode::Char('z') => self.is_zoomed = !self.is_zoomed,
            KeyCode::Char('p' | ' ') => self.wanted.is_paused = !self.wanted.is_paused,
            KeyCode::Char('+') => self.pace(self.wanted.interval / 2),
            KeyCode::Char('-') => self.pace(self.wanted.interval * 2),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.over = Over::Help,
            KeyCode::Enter => self.open(),
            _ => {}
        }
    }

    fn pace(&mut self, interval: Duration) {
        self.wanted.interval = interval.clamp(SHORTEST, LONGEST);
    }

    fn sort_by(&mut self, step: isize) {
        let count = match self.panel {
            Panel::Destinations => DESTINATIONS.len(),
            Panel::Connections => CONNECTIONS.len(),
        };
        let pane = self.pane_mut();
        pane.sort = pane.sort.saturating_add(count).saturating_add_signed(step) % count;
        pane.is_reversed = false;
        self.sort();
    }

    fn open(&mut self) {
        let at = self.pane().selected;
        let thing = match self.panel {
            Panel::Destinations => {
                let shown = self.shown_destinations();
                shown.get(at).map(|it| Thing::Destination(it.name.clone()))
            }
            Panel::Connections => {
                let shown = self.shown_connections();
                shown.get(at).map(|it| Thing::Connection(it.it.id.clone()))
            }
        };
        if thing.is_some() {
            self.wanted.detail = thing;
            self.over = Over::Detail(0);
        }
    }

    /// What the next look is to be at, and that what is selected is there and seen.
    pub(crate) fn settle(&mut self) {
        let counts = [
            self.shown_destinations().len(),
            self.shown_connections().len(),
        ];
        for (pane, count) in [&mut self.destinations, &mut self.connections]
            .into_iter()
            .zip(counts)
        {
            pane.selected = pane.selected.min(count.saturating_sub(1));
            let height = pane.height.max(1);
            // Nothing is left empty that could show a row.
            pane.offset = pane.offset.min(count.saturating_sub(height));
            pane.offset = pane
                .offset
                .clamp((pane.selected + 1).saturating_sub(height), pane.selected);
        }
        self.wanted.sort = api_sort(self.destinations.sort);
        self.wanted
            .destinations
            .clone_from(&self.destinations.filter);
        self.wanted.connections.clone_from(&self.connections.filter);
    }
}

fn sort<T>(rows: &mut [T], columns: &[Column<T>], pane: &Pane) {
    if let Some(column) = columns.get(pane.sort) {
        // What is equal stays as it was, so that rows don't jump.
        rows.sort_by(|a, b| match pane.is_reversed {
            true => (column.order)(b, a),
            false => (column.order)(a, b),
        });
    }
}
