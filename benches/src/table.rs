//! The table: what, measured, what the design asks for.

/// What stands where the design asks for nothing.
pub const NOTHING: &str = "–";

/// One line of the table.
pub struct Row {
    what: String,
    measured: String,
    asked: String,
}

impl Row {
    pub fn new(what: impl Into<String>, measured: impl Into<String>, asked: impl Into<String>) -> Self {
        Self { what: what.into(), measured: measured.into(), asked: asked.into() }
    }

    fn cells(&self) -> [&str; 3] {
        [&self.what, &self.measured, &self.asked]
    }
}

/// The rows as a Markdown table with aligned columns.
pub fn render(rows: &[Row]) -> String {
    let head = Row::new("what", "measured", "the design asks for");
    let all: Vec<&Row> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row.cells()[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for (index, row) in all.iter().enumerate() {
        let cells: Vec<String> =
            row.cells().iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        if index == 0 {
            let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            text.push_str(&format!("| {} |\n", dashes.join(" | ")));
        }
    }
    text
}
