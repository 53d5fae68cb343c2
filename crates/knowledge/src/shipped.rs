//! Documents that ship with midwatch: incidents that teach something, runbooks for every cause, and the lab's services.

use crate::Document;
use crate::read::{DocumentError, read_document};

macro_rules! page {
    ($path:literal) => {
        ($path, include_str!(concat!("../content/", $path)))
    };
}

/// Name and text of each.
pub const SHIPPED: [(&str, &str); 43] = [
    page!("incidents/bad-release-doubles-queries.md"),
    page!("incidents/cache-entries-do-not-decode.md"),
    page!("incidents/config-change-shrinks-timeout.md"),
    page!("incidents/consumer-lag-after-rebalance.md"),
    page!("incidents/consumer-wedged-by-poison-message.md"),
    page!("incidents/cpu-report-queries.md"),
    page!("incidents/crash-loop-after-release.md"),
    page!("incidents/disk-full-of-logs.md"),
    page!("incidents/dns-resolver-down.md"),
    page!("incidents/expired-certificate.md"),
    page!("incidents/false-alarm-after-clock-step.md"),
    page!("incidents/feature-flag-turns-on-slow-path.md"),
    page!("incidents/memory-leak-in-template-cache.md"),
    page!("incidents/payment-provider-outage.md"),
    page!("incidents/pool-held-by-batch-job.md"),
    page!("incidents/pool-leak-on-error-path.md"),
    page!("incidents/retry-storm.md"),
    page!("incidents/slow-query-after-growth.md"),
    page!("incidents/storage-latency-neighbour.md"),
    page!("incidents/traffic-spike-campaign.md"),
    page!("runbooks/consumer-lag.md"),
    page!("runbooks/cpu-saturation.md"),
    page!("runbooks/crash-loop.md"),
    page!("runbooks/db-connection-exhaustion.md"),
    page!("runbooks/dependency-failure.md"),
    page!("runbooks/deployment-failure.md"),
    page!("runbooks/error-rate-spike.md"),
    page!("runbooks/kube-deployment-replicas-mismatch.md"),
    page!("runbooks/kube-hpa-maxed-out.md"),
    page!("runbooks/kube-pod-crash-looping.md"),
    page!("runbooks/latency-spike.md"),
    page!("runbooks/memory-leak.md"),
    page!("runbooks/no-data.md"),
    page!("runbooks/node-trouble.md"),
    page!("runbooks/oom-killed.md"),
    page!("runbooks/storage-exhaustion.md"),
    page!("runbooks/traffic-spike.md"),
    page!("services/api-gateway.md"),
    page!("services/inventory-service.md"),
    page!("services/notification-service.md"),
    page!("services/order-service.md"),
    page!("services/payment-service.md"),
    page!("services/user-service.md"),
];

/// The documents that ship with midwatch.
///
/// # Errors
/// Never: a test reads them all.
pub fn shipped() -> Result<Vec<Document>, DocumentError> {
    SHIPPED.iter().map(|(name, text)| read_document(name, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Collection, Library, Query};
    use midwatch_model::Cause;

    fn all() -> Vec<Document> {
        shipped().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_page_can_be_read_and_each_collection_is_there() {
        let all = all();
        let count = |collection| all.iter().filter(|document| document.collection == collection).count();
        assert_eq!(Collection::ALL.iter().map(|c| count(*c)).collect::<Vec<_>>(), [17, 20, 6]);
        for document in all.iter().filter(|document| document.collection == Collection::Incidents) {
            assert_eq!(document.sections().len(), 4, "{}", document.id);
        }
    }

    #[test]
    fn steps_that_run_are_not_among_what_is_searched() {
        let (name, text) = SHIPPED.iter().find(|(name, _)| name.contains("latency-spike")).expect("it ships");
        assert!(text.contains("```yaml midwatch"));
        let document = read_document(name, text).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            !document.text.contains("look: state") && document.text.ends_with("whole is."),
            "{}",
            document.text
        );
    }

    #[test]
    fn every_cause_has_a_runbook_and_an_incident() {
        let all = all();
        for cause in Cause::ALL {
            for collection in [Collection::Incidents, Collection::Runbooks] {
                let about = |d: &&Document| {
                    d.collection == collection && d.anomaly_types.iter().any(|t| t == cause.name())
                };
                assert!(all.iter().any(|document| about(&document)), "{cause} has none of {collection}");
            }
        }
    }

    #[test]
    fn service_docs_name_runbooks_and_neighbours_that_exist() {
        let all = all();
        let ids = |collection| all.iter().filter(move |d| d.collection == collection).map(|d| d.id.as_str());
        let runbooks: Vec<_> = ids(Collection::Runbooks).collect();
        for document in &all {
            let Some(facts) = &document.facts else { continue };
            assert!(facts.runbooks.iter().all(|id| runbooks.contains(&id.as_str())), "{}", document.id);
            for callee in &facts.depends_on {
                let other =
                    all.iter().find(|d| d.id == *callee).and_then(|d| d.facts.as_ref()).expect("a service");
                assert!(other.called_by.contains(&document.id), "{callee} does not know {}", document.id);
            }
        }
    }

    /// What somebody types at night, and the page that helps.
    fn check(collection: Collection, text: &str, id: &str) {
        let library = Library::new(all());
        let query = Query { text, collection, service: None, anomaly_type: None, limit: Some(1) };
        let found = library.search(&query, None).first().map(|hit| hit.document.id.clone());
        assert_eq!(found.as_deref(), Some(id), "{text}");
    }

    #[test]
    fn questions_of_the_night_find_their_page() {
        check(Collection::Runbooks, "all connections in use, db pool exhausted", "db-connection-exhaustion");
        check(Collection::Runbooks, "memory climbs steadily since a deployment", "memory-leak");
        check(Collection::Runbooks, "OOMKilled memory limit", "oom-killed");
        check(Collection::Runbooks, "no space left on device", "storage-exhaustion");
        check(Collection::Runbooks, "queue backlog grows consumer stuck", "consumer-lag");
        check(Collection::Incidents, "certificate has expired", "expired-certificate");
        check(Collection::Incidents, "poison message blocks queue", "consumer-wedged-by-poison-message");
        check(Collection::Services, "who takes the money", "payment-service");
    }
}
