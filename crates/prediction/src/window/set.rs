//! Many windows with what happened after them, in one file of tensors.

use super::{Link, Normal, Outcome, QUANTITIES, Story, WINDOW_TICKS, WINDOW_VERSION, Window};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// Windows and outcomes, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSet {
    pub windows: Vec<Window>,
    pub outcomes: Vec<Outcome>,
    /// Ticks after a window within which a breach counts.
    pub horizon_ticks: u32,
    /// What the windows were drawn from; 0 for recorded ones.
    pub seed: u64,
}

/// Why a set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error(
        "the file of windows is cut off, changed or something else: {reason}; generate it again with `midwatch train generate`"
    )]
    Broken { reason: String },
    #[error(
        "the windows are of version {found} and this midwatch reads version {WINDOW_VERSION}; generate them again with `midwatch train generate`"
    )]
    Version { found: String },
}

fn broken(reason: impl ToString) -> SetError {
    SetError::Broken { reason: reason.to_string() }
}

/// What has no breach.
const NEVER: i32 = -1;

impl WindowSet {
    /// The set as bytes; the same set gives the same bytes.
    ///
    /// # Errors
    /// None that a set in memory can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SetError> {
        let sizes = self.windows.iter().zip(&self.outcomes).flat_map(|(w, o)| {
            [w.services.len() as i32, w.links.len() as i32, o.story as i32, w.tick_s.to_bits() as i32]
        });
        let sizes: Vec<u8> = sizes.flat_map(i32::to_le_bytes).collect();
        let floats = |values: &mut dyn Iterator<Item = f32>| -> Vec<u8> {
            values.flat_map(f32::to_le_bytes).collect()
        };
        let windows = || self.windows.iter();
        let readings = floats(&mut windows().flat_map(|w| w.readings.iter().flatten().copied()));
        let normals =
            floats(&mut windows().flat_map(|w| w.normals.iter()).flat_map(|n| [n.mean, n.std]).flatten());
        let links = windows().flat_map(|w| &w.links);
        let links =
            floats(&mut links.flat_map(|l| [l.from as f32, l.to as f32, l.rate, l.errors, l.latency_ms]));
        let breach = |o: &Outcome, service: usize| -> [i32; 2] {
            [o.breach_in[service].map_or(NEVER, |ticks| ticks as i32), i32::from(o.in_breach[service])]
        };
        let breaches =
            self.outcomes.iter().flat_map(|o| (0..o.breach_in.len()).flat_map(move |s| breach(o, s)));
        let breaches: Vec<u8> = breaches.flat_map(i32::to_le_bytes).collect();
        let services = windows().map(|w| w.services.len()).sum::<usize>();
        let view = |dtype, shape: Vec<usize>, bytes| TensorView::new(dtype, shape, bytes).map_err(broken);
        let tensors = vec![
            ("breaches", view(Dtype::I32, vec![services, 2], &breaches)?),
            ("links", view(Dtype::F32, vec![windows().map(|w| w.links.len()).sum(), 5], &links)?),
            ("normals", view(Dtype::F32, vec![services, 2, QUANTITIES], &normals)?),
            ("readings", view(Dtype::F32, vec![services, WINDOW_TICKS, QUANTITIES], &readings)?),
            ("sizes", view(Dtype::I32, vec![self.windows.len(), 4], &sizes)?),
        ];
        // One entry only: a map with more has no fixed order, and the same set must give the same bytes.
        let about = format!("{WINDOW_VERSION} {} {}", self.horizon_ticks, self.seed);
        let about = HashMap::from([("midwatch windows".to_owned(), about)]);
        safetensors::serialize(tensors, Some(about)).map_err(broken)
    }

    /// A set from its bytes. Services of stored sets have no names, but numbers.
    ///
    /// # Errors
    /// The bytes are something else, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SetError> {
        let (horizon_ticks, seed) = about(bytes)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let mut parts = Parts {
            readings: floats(&tensors, "readings")?.into_iter(),
            normals: floats(&tensors, "normals")?.into_iter(),
            links: floats(&tensors, "links")?.into_iter(),
            breaches: ints(&tensors, "breaches")?.into_iter(),
        };
        let mut set = Self { windows: vec![], outcomes: vec![], horizon_ticks, seed };
        for size in ints(&tensors, "sizes")?.chunks_exact(4) {
            let (window, outcome) = parts.take(size).ok_or_else(|| broken("it ends too early"))?;
            window.check().map_err(broken)?;
            set.windows.push(window);
            set.outcomes.push(outcome);
        }
        Ok(set)
    }

    /// What identifies the bytes of a set.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn about(bytes: &[u8]) -> Result<(u32, u64), SetError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get("midwatch windows").cloned());
    let text = text.ok_or_else(|| broken("it holds no windows of midwatch"))?;
    let numbers: Vec<u64> = text.split(' ').filter_map(|part| part.parse().ok()).collect();
    match numbers[..] {
        [version, horizon, seed] if version == u64::from(WINDOW_VERSION) => Ok((horizon as u32, seed)),
        [version, ..] => Err(SetError::Version { found: version.to_string() }),
        _ => Err(SetError::Version { found: text }),
    }
}

/// What is left of each tensor.
struct Parts {
    readings: std::vec::IntoIter<f32>,
    normals: std::vec::IntoIter<f32>,
    links: std::vec::IntoIter<f32>,
    breaches: std::vec::IntoIter<i32>,
}

/// The next numbers of a tensor, if there are as many.
fn next<const N: usize>(from: &mut std::vec::IntoIter<f32>) -> Option<[f32; N]> {
    let mut taken = [0.0; N];
    for value in &mut taken {
        *value = from.next()?;
    }
    Some(taken)
}

impl Parts {
    fn take(&mut self, size: &[i32]) -> Option<(Window, Outcome)> {
        let (services, links) = (usize::try_from(size[0]).ok()?, usize::try_from(size[1]).ok()?);
        let story = *Story::ALL.get(usize::try_from(size[2]).ok()?)?;
        let mut outcome = Outcome { story, breach_in: vec![], in_breach: vec![] };
        let mut window = Window {
            services: (0..services).map(|index| format!("service-{index}")).collect(),
            normals: vec![],
            readings: vec![],
            links: vec![],
            tick_s: f32::from_bits(size[3] as u32),
        };
        for _ in 0..services {
            window.normals.push(Normal { mean: next(&mut self.normals)?, std: next(&mut self.normals)? });
            for _ in 0..WINDOW_TICKS {
                window.readings.push(next(&mut self.readings)?);
            }
            outcome.breach_in.push(u32::try_from(self.breaches.next()?).ok());
            outcome.in_breach.push(self.breaches.next()? == 1);
        }
        for _ in 0..links {
            let [from, to, rate, errors, latency_ms] = next(&mut self.links)?;
            window.links.push(Link { from: from as u32, to: to as u32, rate, errors, latency_ms });
        }
        Some((window, outcome))
    }
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>, SetError> {
    let words = words(tensors, name, Dtype::F32)?;
    Ok(words.into_iter().map(f32::from_le_bytes).collect())
}

fn ints(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<i32>, SetError> {
    let words = words(tensors, name, Dtype::I32)?;
    Ok(words.into_iter().map(i32::from_le_bytes).collect())
}

fn words(tensors: &SafeTensors<'_>, name: &str, dtype: Dtype) -> Result<Vec<[u8; 4]>, SetError> {
    let tensor = tensors.tensor(name).map_err(broken)?;
    if tensor.dtype() != dtype {
        return Err(broken(format!("{name} is of another type")));
    }
    Ok(tensor.data().chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]).collect())
}
