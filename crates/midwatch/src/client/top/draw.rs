//! The screen as it looks. Text of others is shown without what a terminal would obey.

use super::screen::Screen;
use crate::output::harmless;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};
use serde_json::Value;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const ACT: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);

/// Rows that one approval takes.
const APPROVAL_ROWS: u16 = 4;

pub fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let approvals = screen.list("approvals").len() as u16;
    let needs = (approvals * APPROVAL_ROWS).max(1) + 2;
    let [head, top, middle, bottom, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(needs.min(frame.area().height / 2)),
        Constraint::Min(4),
        Constraint::Length(8),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header(screen), head);
    boxed(frame, top, "Needs you", approvals_of(screen));
    boxed(frame, middle, "Open incidents", incidents_of(screen));
    boxed(frame, bottom, "Services", services_of(screen));
    frame.render_widget(footer(screen), foot);
}

fn boxed(frame: &mut Frame<'_>, area: Rect, title: &'static str, lines: Vec<Line<'static>>) {
    let block = Block::new().borders(Borders::TOP).title(Span::styled(title, BOLD));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}

fn text(value: &Value, name: &str) -> String {
    harmless(value[name].as_str().unwrap_or_default()).replace('\n', " ")
}

fn header(screen: &Screen) -> Line<'static> {
    if let Some(why) = &screen.stale {
        return Line::styled(format!("STALE: {}", harmless(why)), BAD);
    }
    let status = &screen.seen["status"];
    let dry = if status["dry_run"] == true { ", dry run: nothing is touched" } else { "" };
    let health = status["health"]["status"].as_str().unwrap_or("…");
    Line::from(vec![
        Span::styled("midwatch ", BOLD),
        Span::raw(format!("{}{dry}  ·  {health}  ·  {} services", text(status, "mode"), status["services"])),
    ])
}

fn approvals_of(screen: &Screen) -> Vec<Line<'static>> {
    if screen.list("approvals").is_empty() {
        return vec![Line::styled("Nothing waits for you.", DIM)];
    }
    let one = |(at, waiting): (usize, &Value)| {
        let mark = if at == screen.chosen { "▶ " } else { "  " };
        [
            Line::styled(format!("{mark}{}", text(waiting, "action")), ACT),
            Line::raw(format!("    {}", text(waiting, "verdict"))),
            Line::raw(format!("    to undo: {}", text(waiting, "undo"))),
            Line::styled(
                format!("    {}  plan {}", text(waiting, "incident"), short(&text(waiting, "plan"))),
                DIM,
            ),
        ]
    };
    screen.list("approvals").iter().enumerate().flat_map(one).collect()
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

fn incidents_of(screen: &Screen) -> Vec<Line<'static>> {
    if screen.list("incidents").is_empty() {
        return vec![Line::styled("No incident is open.", DIM)];
    }
    let one = |incident: &Value| {
        let state = text(incident, "state");
        let style = if matches!(state.as_str(), "escalated" | "awaiting_approval") { ACT } else { BOLD };
        Line::from(vec![
            Span::styled(format!("{state:<18}"), style),
            Span::raw(format!("{:<22} {}", text(incident, "component"), text(incident, "summary"))),
        ])
    };
    screen.list("incidents").iter().map(one).collect()
}

fn services_of(screen: &Screen) -> Vec<Line<'static>> {
    let mut spans = Vec::new();
    // Those that are not well first: there may be more services than place.
    let rank = |node: &&Value| match node["health"].as_str() {
        Some("abnormal") => 0,
        Some("stale") => 1,
        Some("unknown") => 2,
        _ => 3,
    };
    let mut nodes: Vec<&Value> = screen.list("nodes").iter().collect();
    nodes.sort_by_key(rank);
    for node in nodes {
        let (service, health) = (text(node, "service"), text(node, "health"));
        match health.as_str() {
            "normal" => spans.push(Span::raw(format!("{service}   "))),
            "abnormal" => spans.push(Span::styled(format!("! {service}   "), BAD)),
            _ => spans.push(Span::styled(format!("? {service} ({health})   "), DIM)),
        }
    }
    vec![Line::from(spans)]
}

fn footer(screen: &Screen) -> Line<'static> {
    match &screen.asking {
        Some((waiting, decision)) => Line::styled(
            format!("{decision}: {}?  y for yes, any other key for no", text(waiting, "action")),
            ACT,
        ),
        None if !screen.note.is_empty() => Line::raw(harmless(&screen.note)),
        None => Line::styled("↑↓ choose   a approve   d deny   q leave", DIM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    fn shown(seen: Value) -> String {
        let mut screen = Screen::default();
        screen.take(Ok(seen));
        let mut terminal = Terminal::new(TestBackend::new(90, 24)).expect("a terminal");
        terminal.draw(|frame| draw(frame, &screen)).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn what_needs_a_person_is_on_top_with_its_undo() {
        let shown = shown(json!({
            "status": { "mode": "propose", "dry_run": false, "services": 6, "health": { "status": "ok" } },
            "approvals": [{ "incident": "inc-1", "plan": "4e5b1ce5f3f0aa", "action": "Restart the pool of pay",
                "verdict": "pay has an exhausted pool", "undo": "nothing to take back" }],
            "incidents": [{ "state": "awaiting_approval", "component": "pay", "summary": "pool" }],
            "nodes": [{ "service": "web", "health": "normal" }, { "service": "pay", "health": "abnormal" }],
        }));
        let at = |what: &str| shown.find(what).unwrap_or_else(|| panic!("no {what} in\n{shown}"));
        assert!(at("Needs you") < at("Restart the pool of pay"));
        assert!(at("to undo: nothing") < at("Open incidents"));
        assert!(at("! pay") < at("web  "), "who is not well comes first");
        assert!(at("plan 4e5b1ce5f3f0 ") > 0, "the hash is short");
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_drawn() {
        let shown = shown(
            json!({ "incidents": [{ "state": "x", "component": "a\u{1b}[2Jb", "summary": "\u{202e}c" }] }),
        );
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    }
}
