//! Logits become probabilities that mean what they say (Platt 1999), fitted on windows that training has not seen.

use serde::{Deserialize, Serialize};

/// p = σ(slope · logit + offset)
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    pub slope: f64,
    pub offset: f64,
}

/// Of the services, and of the whole graph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub services: Platt,
    pub graphs: Platt,
}

/// A pull towards leaving logits as they are, in windows: a few of them must not make a model sure of itself.
const PRIOR: f64 = 2.0;

/// Newton's method needs a handful of steps on a convex function of two numbers.
const STEPS: usize = 30;

impl Platt {
    pub const AS_IT_IS: Self = Self { slope: 1.0, offset: 0.0 };

    #[must_use]
    pub fn probability(self, logit: f32) -> f64 {
        1.0 / (1.0 + (-(self.slope * f64::from(logit) + self.offset)).exp())
    }

    /// The slope and offset that make what happened likeliest.
    #[must_use]
    pub fn fit(logits: &[(f32, bool)]) -> Self {
        let mut fitted = Self::AS_IT_IS;
        if logits.is_empty() {
            return fitted;
        }
        for _ in 0..STEPS {
            let (mut g, mut h) = ([PRIOR * (fitted.slope - 1.0), PRIOR * fitted.offset], [PRIOR, 0.0, PRIOR]);
            for (logit, failed) in logits {
                let (x, p) = (f64::from(*logit), fitted.probability(*logit));
                let (wrong, weight) = (p - f64::from(u8::from(*failed)), p * (1.0 - p));
                g = [g[0] + wrong * x, g[1] + wrong];
                h = [h[0] + weight * x * x, h[1] + weight * x, h[2] + weight];
            }
            let determinant = h[0] * h[2] - h[1] * h[1];
            if determinant.abs() < 1e-12 {
                break;
            }
            // A step of one at most: far from the answer, Newton's steps overshoot.
            let step = |by: f64| (by / determinant).clamp(-1.0, 1.0);
            fitted.slope -= step(g[0] * h[2] - g[1] * h[1]);
            fitted.offset -= step(g[1] * h[0] - g[0] * h[1]);
        }
        // What is less likely the higher its logit was learnt nothing: then only the base rate is told.
        fitted.slope = fitted.slope.max(0.0);
        fitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn what_is_too_sure_of_itself_is_brought_down() {
        let mut random = Random::new(1);
        let drawn = |_| {
            let logit = random.normal() * 3.0;
            let truth = 1.0 / (1.0 + (-(0.5 * logit - 1.0)).exp());
            (logit as f32, random.chance(truth))
        };
        let drawn: Vec<(f32, bool)> = (0..5000).map(drawn).collect();
        let platt = Platt::fit(&drawn);
        assert!((platt.slope - 0.5).abs() < 0.05 && (platt.offset + 1.0).abs() < 0.1, "{platt:?}");
    }

    #[test]
    fn without_data_nothing_is_changed() {
        assert_eq!(Platt::fit(&[]), Platt::AS_IT_IS);
    }
}
