//! Logistic regression with a penalty on large weights: what every network has to beat.

/// Steps down the slope; far more than a convex function of standardised numbers needs.
const STEPS: usize = 400;

/// Weights of standardised numbers.
pub struct Linear {
    mean: Vec<f64>,
    scale: Vec<f64>,
    weights: Vec<f64>,
    offset: f64,
}

impl Linear {
    /// Fits rows of numbers; NaN counts as usual. `penalty` is that of the squared weights, per row.
    pub fn fit(rows: &[Vec<f64>], failed: &[bool], penalty: f64) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let column = |index: usize| rows.iter().map(move |row| row[index]).filter(|value| value.is_finite());
        let mean: Vec<f64> =
            (0..width).map(|c| column(c).sum::<f64>() / column(c).count().max(1) as f64).collect();
        let spread = |c: usize| {
            let variance =
                column(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / column(c).count().max(1) as f64;
            if variance > 1e-18 { 1.0 / variance.sqrt() } else { 0.0 }
        };
        let scale = (0..width).map(spread).collect();
        let mut fitted = Self { mean, scale, weights: vec![0.0; width], offset: 0.0 };
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| fitted.standardised(row)).collect();
        fitted.descend(&rows, failed, penalty);
        fitted
    }

    fn standardised(&self, row: &[f64]) -> Vec<f64> {
        // Beyond five deviations, more of the same is no news.
        let one = |((value, mean), scale): ((&f64, &f64), &f64)| {
            if value.is_finite() { ((value - mean) * scale).clamp(-5.0, 5.0) } else { 0.0 }
        };
        row.iter().zip(&self.mean).zip(&self.scale).map(one).collect()
    }

    fn logit(&self, row: &[f64]) -> f64 {
        self.offset + row.iter().zip(&self.weights).map(|(x, w)| x * w).sum::<f64>()
    }

    /// Nesterov's accelerated gradient, with a step that is safe for the steepest direction.
    fn descend(&mut self, rows: &[Vec<f64>], failed: &[bool], penalty: f64) {
        let count = rows.len().max(1) as f64;
        let steepest =
            0.25 * rows.iter().map(|row| row.iter().map(|x| x * x).sum::<f64>() + 1.0).sum::<f64>() / count;
        let rate = 1.0 / (steepest + penalty);
        let (mut before, mut offset_before) = (self.weights.clone(), self.offset);
        for step in 0..STEPS {
            let drive = step as f64 / (step as f64 + 3.0);
            let ahead: Vec<f64> =
                self.weights.iter().zip(&before).map(|(w, b)| w + drive * (w - b)).collect();
            let offset_ahead = self.offset + drive * (self.offset - offset_before);
            (before, offset_before) = (std::mem::replace(&mut self.weights, ahead), self.offset);
            self.offset = offset_ahead;
            let mut slope: Vec<f64> = self.weights.iter().map(|w| penalty * w).collect();
            let mut offset_slope = 0.0;
            for (row, failed) in rows.iter().zip(failed) {
                let wrong = (probability(self.logit(row)) - f64::from(u8::from(*failed))) / count;
                slope.iter_mut().zip(row).for_each(|(slope, x)| *slope += wrong * x);
                offset_slope += wrong;
            }
            self.weights.iter_mut().zip(slope).for_each(|(w, slope)| *w -= rate * slope);
            self.offset -= rate * offset_slope;
        }
    }

    /// The probability that a row is followed by a failure.
    pub fn probability(&self, row: &[f64]) -> f64 {
        probability(self.logit(&self.standardised(row)))
    }
}

fn probability(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_column_that_tells_and_a_penalty_holds_it_back() {
        let rows: Vec<Vec<f64>> = (0..200)
            .map(|n| vec![f64::from(n % 20), f64::from(n * 7 % 13), if n % 3 == 0 { f64::NAN } else { 1.0 }])
            .collect();
        let failed: Vec<bool> = (0..200).map(|n| n % 20 >= 10).collect();
        let free = Linear::fit(&rows, &failed, 1e-4);
        assert!(free.probability(&[19.0, 6.0, 1.0]) > 0.95 && free.probability(&[0.0, 6.0, 1.0]) < 0.05);
        let held = Linear::fit(&rows, &failed, 10.0);
        assert!((held.probability(&[19.0, 6.0, 1.0]) - 0.5).abs() < 0.1);
    }
}
