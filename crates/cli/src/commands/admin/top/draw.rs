//! The view on a terminal.

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    super::text::{cut, plain},
    columns::{CONNECTIONS, Column, DESTINATIONS},
    state::{Over, Pane, Panel, State},
    words::overview,
};

/// Lists below each other need as many lines.
const BOTH: u16 = 16;

/// Columns that a name has at least.
const NAME: u16 = 8;

const HELP: [&str; 15] = [
    "Tab, d, c       the other list, destinations, connections",
    "z               only this list, or both",
    "arrows, j, k    up and down; Page Up, Page Down, Home, End",
    "< and >         sort by the column before, or after",
    "r               sort the other way round",
    "/               filter: a part of the name; Enter keeps it, Esc ends it",
    "Enter           details; Esc ends them",
    "p, space        pause, and go on",
    "+ and -         look twice as often, or half as often",
    "?, h            this help",
    "q, Ctrl-C       quit",
    "",
    "Rates of destinations are over 10 seconds, others since the last look.",
    "UNACKED: with consumers, not yet acknowledged.  CONS: consumers.",
    "QUEUED: bytes that a client does not read yet.",
];

/// Draws it all.
pub(crate) fn draw(frame: &mut Frame, state: &mut State) {
    let area = frame.area();
    let head = match area.height {
        0..8 => 1,
        8..BOTH => 2,
        _ => 5 + u16::from(state.shot.gateway.is_some()),
    };
    let parts = [
        Constraint::Length(head),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [head, body, foot] = Layout::vertical(parts).areas(area);
    let styles = Styles::new(state.has_colors);
    let buffer = frame.buffer_mut();
    draw_head(buffer, head, state, &styles);
    match state.over {
        Over::Nothing => draw_lists(buffer, body, state, &styles, area.height < BOTH),
        Over::Help => {
            let lines: Vec<_> = HELP.iter().map(|&it| it.to_owned()).collect();
            draw_text(buffer, body, "Keys", &lines, 0, &styles);
        }
        Over::Detail(offset) => {
            let empty = vec!["looking\u{2026}".to_owned()];
            let detail = state.shot.detail.as_ref();
            // What was looked at before is not what is asked for now.
            let detail = detail.filter(|(thing, _)| Some(thing) == state.wanted.detail.as_ref());
            let lines = detail.map_or(&empty, |(_, lines)| lines);
            let lines = &wrapped(lines, usize::from(area.width.saturating_sub(1)));
            let most = lines
                .len()
                .saturating_sub(usize::from(body.height.saturating_sub(1)));
            let offset = offset.min(most);
            draw_text(buffer, body, "Details", lines, offset, &styles);
            state.over = Over::Detail(offset);
        }
    }
    draw_foot(buffer, foot, state, &styles);
}

/// Colours never tell anything alone.
struct Styles {
    bar: Style,
    heading: Style,
    column: Style,
    selected: Style,
    faint: Style,
    bad: Style,
}

impl Styles {
    fn new(has_colors: bool) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let color = |style: Style, color| match has_colors {
            true => style.fg(color),
            false => style,
        };
        Self {
            bar: plain.add_modifier(Modifier::REVERSED),
            heading: color(bold, Color::Cyan),
            column: bold,
            selected: plain.add_modifier(Modifier::REVERSED),
            faint: plain.add_modifier(Modifier::DIM),
            bad: color(bold, Color::Red),
        }
    }
}

/// A line over the whole width.
fn line(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) {
    if row >= area.height || area.width == 0 {
        return;
    }
    let width = usize::from(area.width);
    let text = cut(text, width);
    let padded = format!("{text}{}", " ".repeat(width.saturating_sub(text.width())));
    buffer.set_stringn(area.x, area.y + row, padded, width, style);
}

fn draw_head(buffer: &mut Buffer, area: Rect, state: &State, styles: &Styles) {
    let lines = overview(&state.shot, &state.url);
    let it = &state.shot.overview;
    let is_bad = it.memory.pressed || it.store.as_ref().is_some_and(|store| store.poisoned);
    let gateway = state.shot.gateway.as_ref();
    let is_down = gateway.is_some_and(|it| it.upstreams.iter().any(|it| !it.up));
    for (row, text) in (0_u16..).zip(&lines) {
        let style = match row {
            0 => styles.bar,
            4 if is_bad => styles.bad,
            5 if is_down => styles.bad,
            _ => Style::new(),
        };
        line(buffer, area, row, &format!(" {text}"), style);
    }
}

fn draw_foot(buffer: &mut Buffer, area: Rect, state: &State, styles: &Styles) {
    if state.is_typing {
        let text = format!(
            " filter: {}\u{2588}   Enter keeps it, Esc ends it",
            plain(&state.pane().filter)
        );
        return line(buffer, area, 0, &text, styles.bar);
    }
    if let Some(trouble) = &state.trouble {
        let text = format!(" LOST, trying again: {}", plain(trouble));
        return line(buffer, area, 0, &text, styles.bad);
    }
    let pace = match state.wanted.is_paused {
        true => "PAUSED".to_owned(),
        false => format!(
            "every {}",
            humantime::format_duration(state.wanted.interval)
        ),
    };
    let keys = match state.over {
        Over::Nothing => "Tab list  <> sort  / filter  Enter more  p pause  ? help  q quit",
        Over::Help => "any key goes back",
        Over::Detail(_) => "arrows scroll  Esc goes back",
    };
    line(buffer, area, 0, &format!(" {pace}  {keys}"), styles.bar);
}

/// Lines broken to a width, the rest of each further in.
fn wrapped(lines: &[String], width: usize) -> Vec<String> {
    let mut out = Vec::new();
    for line in lines {
        let mut row = String::new();
        for c in line.chars() {
            row.push(c);
            // A row needs room for more than what it begins with.
            if row.width() > width && width > 8 {
                row.pop();
                out.push(std::mem::replace(&mut row, format!("    {c}")));
            }
        }
        out.push(row);
    }
    out
}

fn draw_text(
    buffer: &mut Buffer,
    area: Rect,
    title: &str,
    lines: &[String],
    offset: usize,
    styles: &Styles,
) {
    line(buffer, area, 0, title, styles.heading);
    for (row, text) in (1_u16..area.height).zip(lines.iter().skip(offset)) {
        line(buffer, area, row, &format!(" {text}"), Style::new());
    }
}

fn draw_lists(buffer: &mut Buffer, area: Rect, state: &mut State, styles: &Styles, is_short: bool) {
    let is_single = state.is_zoomed || is_short;
    let halves = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]);
    let [above, below] = match (is_single, state.panel) {
        (false, _) => halves.areas(area),
        (true, Panel::Destinations) => [area, Rect::default()],
        (true, Panel::Connections) => [Rect::default(), area],
    };
    // A title and the columns' names are above the rows.
    let rows = |area: Rect| usize::from(area.height.saturating_sub(2));
    state.destinations.height = rows(above);
    state.connections.height = rows(below);
    state.settle();
    let list = List {
        title: "Destinations",
        columns: &DESTINATIONS,
        pane: &state.destinations,
        rows: &state.shown_destinations(),
        is_cut: state.shot.is_cut[0],
        is_chosen: state.panel == Panel::Destinations,
    };
    list.draw(buffer, above, styles);
    let connections: Vec<_> = state.shown_connections().iter().collect();
    let list = List {
        title: "Connections",
        columns: &CONNECTIONS,
        pane: &state.connections,
        rows: &connections,
        is_cut: state.shot.is_cut[1],
        is_chosen: state.panel == Panel::Connections,
    };
    list.draw(buffer, below, styles);
}

/// A list with its title.
struct List<'a, T> {
    title: &'a str,
    columns: &'a [Column<T>],
    pane: &'a Pane,
    rows: &'a [&'a T],
    is_cut: bool,
    is_chosen: bool,
}

impl<T> List<'_, T> {
    fn draw(&self, buffer: &mut Buffer, area: Rect, styles: &Styles) {
        line(buffer, area, 0, &self.title(), styles.heading);
        let columns = self.columns.iter().filter(|it| it.from <= area.width);
        let mut columns: Vec<_> = columns.collect();
        // A space is before each column.
        let width = |columns: &[&Column<T>]| columns.iter().map(|it| it.width + 1).sum::<u16>();
        // Where there is little room, names come first.
        while columns.len() > 1 && width(&columns) + NAME > area.width {
            columns.pop();
        }
        let rest = usize::from(area.width.saturating_sub(width(&columns)));
        let row = |cell: &dyn Fn(&Column<T>) -> String| {
            let mut text = String::new();
            for column in &columns {
                let width = match column.width {
                    0 => rest,
                    width => usize::from(width),
                };
                let cell = cell(column);
                let cell = plain(&cell);
                let cell = cut(&cell, width);
                let space = " ".repeat(width.saturating_sub(cell.width()));
                text.push(' ');
                match column.is_number {
                    true => text.extend([&space, &*cell]),
                    false => text.extend([&*cell, &space]),
                }
            }
            text
        };
        line(
            buffer,
            area,
            1,
            &row(&|it| it.name.to_owned()),
            styles.column,
        );
        let seen = self.rows.iter().enumerate().skip(self.pane.offset);
        for (at, (number, it)) in (2..area.height).zip(seen) {
            let style = match self.is_chosen && number == self.pane.selected {
                true => styles.selected,
                false => Style::new(),
            };
            line(buffer, area, at, &row(&|column| (column.cell)(it)), style);
        }
        if self.rows.is_empty() {
            line(buffer, area, 2, " none", styles.faint);
        }
    }

    fn title(&self) -> String {
        let mark = if self.is_chosen { '\u{25b6}' } else { ' ' };
        let more = if self.is_cut { "+" } else { "" };
        let count = self.rows.len();
        let sort = self.columns.get(self.pane.sort).map_or("", |it| it.name);
        let direction = if self.pane.is_reversed {
            ", reversed"
        } else {
            ""
        };
        let filter = match self.pane.filter.is_empty() {
            true => String::new(),
            false => format!("  filter {:?}", self.pane.filter),
        };
        format!(
            "{mark}{} {count}{more}  by {sort}{direction}{filter}",
            self.title
        )
    }
}
