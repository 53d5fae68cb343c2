//! `midwatch predict`: what is foreseen from a recorded window.

use crate::cli::PredictArgs;
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, bold, out};
use anyhow::{Context as _, Result, anyhow};
use midwatch_prediction::cascade::{Step, Why};
use midwatch_prediction::model::{Forecast, Foreseen, Model, Moved, Outlook, Serves};
use midwatch_prediction::window::{Recorded, Window};
use std::io::Read as _;
use std::path::Path;

/// Services of a table at most; those below them are well.
const SHOWN: usize = 15;

/// Influences below a point are noise.
const INFLUENCE_MIN: f64 = 0.01;

/// From here on, a failure is likelier than not.
const LIKELY: f64 = 0.5;

/// Reads a window, asks the model, prints.
pub fn run(args: &PredictArgs) -> Result<Exit> {
    let window = window(&args.window)?;
    let model = model(args.model.as_deref())?;
    let forecast = model.forecast(&window)?;
    let likeliest = likeliest(&forecast);
    let moved = match likeliest {
        Some((service, _)) if args.explain => model.explain(&window, service)?,
        _ => vec![],
    };
    if args.json {
        let model = args.explain.then_some(&model.meta);
        output::json(&serde_json::json!({ "forecast": forecast, "moved": moved, "model": model }))?;
        return Ok(DONE);
    }
    out!("{}", bold(&headline(&forecast, likeliest)));
    let likely = likeliest.is_some_and(|(_, foreseen)| foreseen.probability >= LIKELY);
    if likely && forecast.path.len() > 1 {
        out!("{}", path(&forecast.path));
    }
    out!("");
    table(&forecast);
    if args.explain {
        out!("\n{}", explain(&model, &forecast, likeliest, &moved));
    }
    Ok(DONE)
}

fn window(path: &Path) -> Result<Window> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let wrong = |error: String| anyhow!(Usage(format!("{} is no window: {error}", path.display())));
    let recorded: Recorded = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    recorded.window().map_err(|error| wrong(error.to_string()))
}

fn model(folder: Option<&Path>) -> Result<Model> {
    let Some(folder) = folder else { return Ok(Model::shipped()?) };
    let (weights, about) = (folder.join("model.safetensors"), folder.join("model.json"));
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let about = String::from_utf8(read(&about)?).context("model.json is no text")?;
    Model::from_files(&read(&weights)?, &about).with_context(|| folder.display().to_string())
}

fn likeliest(forecast: &Forecast) -> Option<(usize, Foreseen)> {
    let foreseen =
        forecast.services.iter().enumerate().filter_map(|(at, s)| Some((at, s.outlook.foreseen()?)));
    foreseen.max_by(|a, b| a.1.probability.total_cmp(&b.1.probability))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn headline(forecast: &Forecast, likeliest: Option<(usize, Foreseen)>) -> String {
    let horizon = format!("{:.0} minutes", forecast.horizon_minutes);
    match likeliest {
        None => "Not enough was read of any service to foresee anything.".to_owned(),
        Some((service, foreseen)) if foreseen.probability >= LIKELY => format!(
            "{} will probably fail: {} within {horizon}, in about {:.0} minutes (confidence {}).",
            forecast.services[service].service,
            percent(foreseen.probability),
            foreseen.minutes.max(1.0),
            percent(foreseen.confidence)
        ),
        Some((service, foreseen)) => format!(
            "No failure is likely within {horizon}; {} is the nearest to one, with {}.",
            forecast.services[service].service,
            percent(foreseen.probability)
        ),
    }
}

fn path(steps: &[Step]) -> String {
    let step = |step: &Step| {
        let why = match step.why {
            Why::Start => String::new(),
            Why::Calls => " (waits for it)".to_owned(),
            Why::Called => " (gets its retries)".to_owned(),
        };
        format!("{} {}{why}", step.service, percent(step.probability))
    };
    format!("Way: {}", steps.iter().map(step).collect::<Vec<_>>().join(" → "))
}

fn table(forecast: &Forecast) {
    let mut services: Vec<_> = forecast.services.iter().collect();
    let probability = |outlook: &Outlook| outlook.foreseen().map_or(-1.0, |foreseen| foreseen.probability);
    services.sort_by(|a, b| probability(&b.outlook).total_cmp(&probability(&a.outlook)));
    let row = |service: &midwatch_prediction::model::ServiceForecast| match service.outlook {
        Outlook::Foreseen(f) => {
            // When something fails that will not is no question.
            let minutes =
                if f.probability >= LIKELY { format!("{:.1}", f.minutes) } else { "–".to_owned() };
            vec![service.service.clone(), percent(f.probability), minutes, percent(f.confidence)]
        }
        Outlook::NotEnoughData { coverage } => {
            let why = format!("{} of it was read: not enough", percent(coverage.into()));
            vec![service.service.clone(), "–".into(), "–".into(), why]
        }
    };
    let rest = services.len().saturating_sub(SHOWN);
    output::table(
        &["service", "fails", "in minutes", "confidence"],
        services.into_iter().take(SHOWN).map(row).collect(),
    );
    if rest > 0 {
        out!("and {rest} more, less likely");
    }
}

fn explain(
    model: &Model,
    forecast: &Forecast,
    likeliest: Option<(usize, Foreseen)>,
    moved: &[Moved],
) -> String {
    let mut lines = Vec::new();
    if let Some((service, _)) = likeliest {
        let name = &forecast.services[service].service;
        let counts = |moved: &&Moved| moved.influence >= INFLUENCE_MIN;
        let why: Vec<String> = moved.iter().filter(counts).map(influence).collect();
        if why.is_empty() {
            lines.push(format!("Nothing at {name} itself raises its probability by a point."));
        } else {
            lines.push(format!("What raises the probability of {name}:"));
            lines.extend(why);
        }
    }
    let meta = &model.meta;
    lines.push(format!(
        "\nModel: {}, seed {}, trained on {} windows.",
        meta.kind.title(),
        meta.seed,
        meta.trained_on
    ));
    lines.push(format!("It serves because {}.", meta.why));
    lines.push("Tried on the same windows (log loss per service, AUC-ROC, calibration error):".to_owned());
    for rival in &meta.rivals {
        let never = if rival.may_serve == Serves::Never { "  (only to compare with)" } else { "" };
        let s = rival.scores;
        lines.push(format!("  {:<42} {:.4}  {:.3}  {:.3}{never}", rival.name, s.log_loss, s.auc_roc, s.ece));
    }
    lines.push(format!("Made by: {}", meta.command));
    lines.join("\n")
}

fn influence(moved: &Moved) -> String {
    let quantity = moved.quantity;
    format!(
        "  {:<15} {} → {} (usually {}): {:+.0} points",
        quantity.title(),
        quantity.show(moved.before),
        quantity.show(moved.now),
        quantity.show(moved.usual),
        100.0 * moved.influence
    )
}
