//! Pictures of training as SVG: loss curves, and a reliability plot.

use crate::score::Bin;
use crate::train::Epoch;
use std::fmt::Write as _;

/// Size of a picture, and the room for its labels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 50.0;

/// Colours that are told apart in print and by most eyes (Okabe and Ito).
const COLOURS: [&str; 8] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"];

/// Lines of a picture, and where its axes end.
struct Chart {
    svg: String,
    x: (f64, f64),
    y: (f64, f64),
}

impl Chart {
    fn new(title: &str, x: (f64, f64), y: (f64, f64), names: (&str, &str)) -> Self {
        let mut chart = Self { svg: String::new(), x, y };
        let _ = write!(
            chart.svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        chart.text(WIDTH / 2.0, 20.0, "middle", title);
        chart.text(WIDTH / 2.0, HEIGHT - 8.0, "middle", names.0);
        chart.text(MARGIN, MARGIN - 12.0, "middle", names.1);
        for step in 0..=4 {
            let share = f64::from(step) / 4.0;
            let (x, y) = (x.0 + share * (chart.x.1 - chart.x.0), y.0 + share * (chart.y.1 - chart.y.0));
            chart.text(chart.across(x), HEIGHT - MARGIN + 18.0, "middle", &short(x));
            chart.text(MARGIN - 6.0, chart.up(y) + 4.0, "end", &short(y));
            chart.line(&[(chart.x.0, y), (chart.x.1, y)], "#dddddd", "");
        }
        chart
    }

    fn across(&self, x: f64) -> f64 {
        MARGIN + (x - self.x.0) / (self.x.1 - self.x.0).max(1e-9) * (WIDTH - 2.0 * MARGIN)
    }

    fn up(&self, y: f64) -> f64 {
        HEIGHT - MARGIN - (y - self.y.0) / (self.y.1 - self.y.0).max(1e-9) * (HEIGHT - 2.0 * MARGIN)
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(self.svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
    }

    fn line(&mut self, points: &[(f64, f64)], colour: &str, dashes: &str) {
        let points: Vec<String> =
            points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.across(*x), self.up(*y))).collect();
        let _ = writeln!(
            self.svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-dasharray=\"{dashes}\"/>",
            points.join(" ")
        );
    }

    fn done(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

fn short(number: f64) -> String {
    if number.abs() >= 10.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}

/// Loss by epoch of each run: training dashed, validation drawn through.
#[must_use]
pub fn losses(runs: &[(String, &[Epoch])]) -> String {
    let epochs = || runs.iter().flat_map(|(_, epochs)| epochs.iter());
    let all = || epochs().flat_map(|epoch| [epoch.training, epoch.validation]);
    let last = epochs().map(|epoch| epoch.number).max().unwrap_or(1) as f64;
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    let title = "Loss: on validation (drawn through) and in training (dashed)";
    let mut chart = Chart::new(title, (1.0, last.max(2.0)), (low, high), ("epoch", "loss"));
    for (index, (name, epochs)) in runs.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points =
            |of: fn(&Epoch) -> f64| epochs.iter().map(|e| (e.number as f64, of(e))).collect::<Vec<_>>();
        chart.line(&points(|epoch| epoch.validation), colour, "");
        chart.line(&points(|epoch| epoch.training), colour, "4 3");
        let at = MARGIN + 14.0 * index as f64;
        let _ = writeln!(
            chart.svg,
            "<rect x=\"{}\" y=\"{:.1}\" width=\"10\" height=\"3\" fill=\"{colour}\"/>",
            WIDTH - 260.0,
            at - 4.0
        );
        chart.text(WIDTH - 244.0, at, "start", name);
    }
    chart.done()
}

/// What was said against what happened; on the diagonal, they are the same. A dot is as large as its bin.
#[must_use]
pub fn reliability(bins: &[Bin]) -> String {
    let names = ("probability that was said", "share that failed");
    let mut chart = Chart::new("Reliability per service, on validation", (0.0, 1.0), (0.0, 1.0), names);
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], "#999999", "4 3");
    chart.line(&bins.iter().map(|bin| (bin.said, bin.happened)).collect::<Vec<_>>(), COLOURS[0], "");
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1) as f64;
    for bin in bins {
        let radius = 3.0 + 9.0 * (bin.count as f64 / most).sqrt();
        let (x, y) = (chart.across(bin.said), chart.up(bin.happened));
        let _ = writeln!(
            chart.svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"{}\" fill-opacity=\"0.5\"><title>{} forecasts</title></circle>",
            COLOURS[0], bin.count
        );
    }
    chart.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_hold_every_curve_and_every_bin() {
        let epochs = [
            Epoch { number: 1, training: 1.0, validation: 0.9 },
            Epoch { number: 2, training: 0.5, validation: 0.7 },
        ];
        let picture = losses(&[("a < b".into(), &epochs), ("c".into(), &epochs)]);
        assert_eq!(picture.matches("<polyline").count(), 5 + 4);
        assert!(picture.contains("a &lt; b") && picture.ends_with("</svg>\n"));
        let picture = reliability(&[Bin { said: 0.1, happened: 0.2, count: 3 }]);
        assert_eq!(picture.matches("<circle").count(), 1);
        assert!(losses(&[]).ends_with("</svg>\n"));
    }
}
