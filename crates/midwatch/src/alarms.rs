//! CloudWatch alarms that are looked at instead of being told of: each takes the way of an alert that SNS would have brought.

use midwatch_connectors::World;
use midwatch_engine::Engine;
use midwatch_signal::source::Source;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How alerts that came this way are marked.
const SENDER: &str = "CloudWatch, looked at";

/// Looks at the alarms until told to stop. One that is in ALARM is told at each look, since an alert that is not told again
/// counts as over; one that has left it is told once.
pub async fn look(world: Arc<World>, engine: Arc<Engine>, every: Duration, mut stop: watch::Receiver<bool>) {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    loop {
        if let Err(error) = once(&world, &engine, &mut known).await {
            tracing::warn!(%error, "CloudWatch alarms could not be looked at; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.changed() => return,
        }
    }
}

async fn once(world: &World, engine: &Engine, known: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for alarm in world.alarms().await? {
        let before = known.get(&alarm.name);
        let fires = alarm.state == "ALARM";
        // What is well when midwatch starts is told, too: it may have ended while nobody looked.
        let news = before != Some(&alarm.state) && (before.is_some() || alarm.state == "OK");
        if fires || news {
            let body = serde_json::to_vec(&alarm.message)?;
            engine.receive(Source::CloudWatch, &body, SENDER).await?;
        }
        known.insert(alarm.name, alarm.state);
    }
    Ok(())
}
