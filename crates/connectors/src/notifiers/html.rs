//! Postmortems as HTML, for mails: the small part of Markdown that midwatch itself writes. What is not understood is
//! shown as text.

/// The HTML of a postmortem. Nothing of the text is passed on as markup.
pub(super) fn of_markdown(markdown: &str) -> String {
    let mut html = String::with_capacity(markdown.len() * 2);
    let mut open = Open::None;
    for line in markdown.lines() {
        let (kind, content) = kind_of(line, open);
        if kind != open {
            html.push_str(open.end());
            html.push_str(kind.begin());
        }
        html.push_str(&content);
        open = kind;
    }
    html.push_str(open.end());
    html
}

/// What a line is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    None,
    List,
    Table,
    Code,
}

impl Open {
    fn begin(self) -> &'static str {
        match self {
            Open::None => "",
            Open::List => "<ul style=\"padding-left:20px\">",
            Open::Table => "<table style=\"border-collapse:collapse;font-size:13px\">",
            Open::Code => "<pre style=\"white-space:pre-wrap;background:#f4f5f7;padding:12px\">",
        }
    }

    fn end(self) -> &'static str {
        match self {
            Open::None => "",
            Open::List => "</ul>",
            Open::Table => "</table>",
            Open::Code => "</pre>",
        }
    }
}

fn kind_of(line: &str, open: Open) -> (Open, String) {
    let trimmed = line.trim();
    if trimmed.starts_with("```") {
        return (if open == Open::Code { Open::None } else { Open::Code }, String::new());
    }
    if open == Open::Code {
        return (Open::Code, format!("{}\n", escaped(line)));
    }
    if let Some(rest) = trimmed.strip_prefix("- ") {
        return (Open::List, format!("<li>{}</li>", inline(rest)));
    }
    if let Some(row) = trimmed.strip_prefix('|').and_then(|row| row.strip_suffix('|')) {
        return (Open::Table, self::row(row));
    }
    let heading = trimmed.chars().take_while(|c| *c == '#').count();
    let text = match heading {
        0 if trimmed.is_empty() => String::new(),
        1 => format!("<h2>{}</h2>", inline(trimmed[1..].trim())),
        2..=4 => format!("<h3>{}</h3>", inline(trimmed[heading..].trim())),
        _ => format!("<p>{}</p>", inline(trimmed)),
    };
    (Open::None, text)
}

/// A row of a table; the line between head and body is none.
fn row(row: &str) -> String {
    if row.chars().all(|c| matches!(c, '-' | '|' | ':' | ' ')) && row.contains('-') {
        return String::new();
    }
    // A bar within a cell is escaped.
    let cells = row.replace("\\|", "\u{1}");
    let cell = |cell: &str| {
        let text = inline(&cell.replace('\u{1}', "|").replace("&lt;", "<"));
        format!(
            "<td style=\"border:1px solid #dfe1e6;padding:4px 8px;vertical-align:top\">{}</td>",
            text.trim()
        )
    };
    let cells: String = cells.split('|').map(cell).collect();
    format!("<tr>{cells}</tr>")
}

/// Bold and code; everything else is text.
fn inline(text: &str) -> String {
    let escaped = escaped(text);
    let code = paired(&escaped, "`", "<code>", "</code>");
    paired(&code, "**", "<strong>", "</strong>")
}

fn paired(text: &str, sign: &str, begin: &str, end: &str) -> String {
    let parts: Vec<&str> = text.split(sign).collect();
    // An odd number of signs: the last one is a character like any other.
    let closed = if parts.len().is_multiple_of(2) { parts.len() - 1 } else { parts.len() };
    let mut out = String::with_capacity(text.len());
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            out.push_str(if number >= closed {
                sign
            } else if number % 2 == 1 {
                begin
            } else {
                end
            });
        }
        out.push_str(part);
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postmortem_is_laid_out_and_nothing_of_it_is_markup() {
        let html = of_markdown(
            "# A — b\n\n**x** is `y`\n\n- one\n- two <script>\n\n| a | b |\n|---|---|\n| c\\|d | e |\n\n```text\n<b>\n```\nlone ` and **\n",
        );
        assert_eq!(
            html,
            "<h2>A — b</h2><p><strong>x</strong> is <code>y</code></p><ul style=\"padding-left:20px\"><li>one</li><li>two \
             &lt;script&gt;</li></ul><table style=\"border-collapse:collapse;font-size:13px\"><tr>\
             <td style=\"border:1px solid #dfe1e6;padding:4px 8px;vertical-align:top\">a</td><td style=\"border:1px solid #dfe1e6;padding:4px 8px;vertical-align:top\">b</td></tr>\
             <tr><td style=\"border:1px solid #dfe1e6;padding:4px 8px;vertical-align:top\">c|d</td><td style=\"border:1px solid #dfe1e6;padding:4px 8px;vertical-align:top\">e</td></tr></table>\
             <pre style=\"white-space:pre-wrap;background:#f4f5f7;padding:12px\">&lt;b&gt;\n</pre><p>lone ` and **</p>"
        );
    }
}
