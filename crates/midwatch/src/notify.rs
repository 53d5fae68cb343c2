//! `midwatch notify preview`: what receivers would be told, without telling anybody.

use crate::cli::{ClientArgs, PreviewArgs};
use crate::client::{Client, checked};
use crate::config::Config;
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, bold, out};
use anyhow::Result;
use midwatch_connectors::{Preview, Previews};
use midwatch_model::{Bulletin, Moment, Telling};
use midwatch_report::{BulletinInput, Sample, bulletins, sample};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use strum::VariantArray as _;

/// Every bulletin of every sample.
pub fn samples() -> Vec<Bulletin> {
    Sample::VARIANTS.iter().flat_map(|kind| of_sample(*kind, "http://127.0.0.1:7700")).collect()
}

/// What is told of a sample, in order.
fn of_sample(kind: Sample, url: &str) -> Vec<Bulletin> {
    let lines = sample(kind);
    let input = BulletinInput { lines: &lines, url, owner: None };
    bulletins(input, 0).into_iter().map(|(_, bulletin)| bulletin).collect()
}

/// Prints what would be sent. Only for an incident is a server asked: midwatch's own.
pub async fn preview(client: &ClientArgs, args: PreviewArgs) -> Result<Exit> {
    let config = Config::load(&args.config)?;
    let previews = Previews::new(&config.connectors().receivers, &config.notifications)
        .map_err(|e| Usage(e.to_string()))?;
    let told = match &args.incident {
        Some(id) => of_incident(client, id).await?,
        None => {
            let kind = args.sample.as_deref().map_or(Ok(Sample::Recovered), str::parse).map_err(Usage)?;
            of_sample(kind, &config.server.external_url())
        }
    };
    let moment: Option<Moment> = args.moment.as_deref().map(str::parse).transpose().map_err(Usage)?;
    let mut shown = Vec::new();
    for (target, telling, moments) in targets(&config, args.receiver.as_deref())? {
        if telling == Telling::Alerts && !client.json {
            out!("{}: hears of incidents as alerts, in Alertmanager's webhook message\n", bold(&target));
        }
        for (bulletin, requests) in of_target(&previews, &target, (telling, &moments), &told) {
            if moment.is_none_or(|moment| moment == bulletin.moment) {
                shown.extend(requests.into_iter().map(|request| (bulletin.moment, request)));
            }
        }
    }
    if client.json {
        let all: Vec<Value> = shown.iter().map(|(moment, preview)| as_json(*moment, preview)).collect();
        return output::json(&all).map(|()| DONE);
    }
    for (moment, preview) in &shown {
        print(*moment, preview);
    }
    if let (Some(moment), true) = (moment, shown.is_empty()) {
        let of =
            args.incident.as_deref().map_or_else(|| "this sample".to_owned(), |id| format!("incident {id}"));
        let had: BTreeSet<String> = told.iter().map(|bulletin| bulletin.moment.to_string()).collect();
        let had = had.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Usage(format!(
            "nobody is told of {moment} here: {of} has {had}, and `moments` of a receiver says which of them it hears of"
        )).into());
    }
    Ok(DONE)
}

/// What a target would be told of an incident from its beginning, each with what the vendor would have given back.
fn of_target<'a>(
    previews: &Previews,
    target: &str,
    (telling, moments): (Telling, &[Moment]),
    told: &'a [Bulletin],
) -> Vec<(&'a Bulletin, Vec<Preview>)> {
    let wanted = told.iter().filter(|bulletin| moments.contains(&bulletin.moment));
    wanted
        .enumerate()
        .map(|(number, bulletin)| {
            let thread = if number == 0 || telling != Telling::Thread {
                Value::Null
            } else {
                previews.thread_of(target)
            };
            (bulletin, previews.of(target, bulletin, &thread))
        })
        .collect()
}

/// The targets of a receiver by its name, or one target, or all.
fn targets(config: &Config, wanted: Option<&str>) -> Result<Vec<(String, Telling, Vec<Moment>)>, Usage> {
    let all = config
        .receivers
        .iter()
        .flat_map(|receiver| receiver.ways().into_iter().map(|way| (receiver.name.clone(), way)));
    let is_it = |name: &str, target: &str| wanted.is_none_or(|wanted| wanted == name || wanted == target);
    let found: Vec<_> = all
        .filter(|(name, way)| is_it(name, &way.target))
        .map(|(_, way)| (way.target, way.telling, way.moments))
        .collect();
    if found.is_empty() {
        let names: Vec<&str> = config.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        return Err(Usage(format!(
            "there is nobody to tell; receivers of the configuration: {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        )));
    }
    Ok(found)
}

async fn of_incident(args: &ClientArgs, id: &str) -> Result<Vec<Bulletin>> {
    let client = Client::new(args)?;
    let answer = client.get(&format!("/api/v1/notifications/preview/{}", checked(id)?)).await?;
    Ok(serde_json::from_value(answer["bulletins"].clone())?)
}

fn as_json(moment: Moment, preview: &Preview) -> Value {
    json!({ "target": preview.target, "moment": moment, "to": preview.to, "body": preview.body })
}

/// Mails as they read; everything else as it goes out.
fn print(moment: Moment, preview: &Preview) {
    out!("{}  {moment}  {}", bold(&preview.target), preview.to);
    match (preview.body["subject"].as_str(), preview.body["text"].as_str()) {
        (Some(subject), Some(text)) => out!("Subject: {subject}\n\n{text}\n"),
        _ => out!("{}\n", serde_json::to_string_pretty(&preview.body).unwrap_or_default()),
    }
}
