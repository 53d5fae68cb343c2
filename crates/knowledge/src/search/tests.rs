use super::*;

fn runbook(id: &str, text: &str) -> Document {
    Document {
        id: id.into(),
        collection: Collection::Runbooks,
        title: id.into(),
        text: text.into(),
        services: Vec::new(),
        anomaly_types: Vec::new(),
        tags: Vec::new(),
        facts: None,
    }
}

fn incident(number: usize) -> Document {
    let text = "## Summary\nconnections ran out\n## Root cause\na job held connections\n## Resolution\nended the job\n\
                ## Contributing factors\nno limit on connections\n";
    Document { collection: Collection::Incidents, ..runbook(&format!("inc-{number}"), text) }
}

fn service(id: &str, text: &str) -> Document {
    Document { collection: Collection::Services, ..runbook(id, text) }
}

fn library() -> Library {
    let pool = Document {
        services: vec!["payment-service".into()],
        anomaly_types: vec!["db_pool".into()],
        ..runbook(
            "PoolExhausted",
            "## Meaning\nAll connections of the pool are in use, and requests wait.\n## Mitigation\nFind what holds \
             connections in pg_stat_activity, end it, then restart.",
        )
    };
    let disk = runbook("DiskFull", "## Meaning\nThe disk is full, and connections may be refused.");
    let old = runbook("DiskFull", "an older page about connections, connections, connections");
    let services =
        [service("payments", "takes the money"), service("orders", "calls payments for the money")];
    Library::new([old, disk, pool].into_iter().chain((0..7).map(incident)).chain(services))
}

fn query(text: &str) -> Query<'_> {
    Query { text, collection: Collection::Runbooks, service: None, anomaly_type: None, limit: None }
}

fn check(query: &Query<'_>, expected: &[(&str, &str)]) {
    let library = library();
    let hits = library.search(query, None);
    let found: Vec<_> = hits.iter().map(|hit| (hit.document.id.as_str(), hit.heading)).collect();
    assert_eq!(found, expected, "{query:?}");
}

#[test]
fn the_sections_that_fit_best_are_first() {
    check(
        &query("who holds connections"),
        &[("PoolExhausted", "Mitigation"), ("PoolExhausted", "Meaning"), ("DiskFull", "Meaning")],
    );
    check(&Query { limit: Some(1), ..query("connection") }, &[("DiskFull", "Meaning")]);
    check(&query("nothing of this"), &[]);
    check(&query(""), &[]);
}

#[test]
fn filters_keep_what_is_about_anything() {
    check(&Query { service: Some("order-service"), ..query("connections") }, &[("DiskFull", "Meaning")]);
    let by_type = Query { anomaly_type: Some("db_pool"), limit: Some(1), ..query("exhausted") };
    check(&by_type, &[("PoolExhausted", "Meaning")]);
}

#[test]
fn incidents_are_five_at_most_each_once() {
    let library = library();
    let hits =
        library.search(&Query { collection: Collection::Incidents, ..query("connections job limit") }, None);
    let ids: HashSet<_> = hits.iter().map(|hit| hit.document.id.as_str()).collect();
    assert!(!hits.is_empty() && hits.len() <= INCIDENTS_MAX && ids.len() == hits.len(), "{hits:?}");
}

#[test]
fn a_service_is_found_by_its_exact_name_and_else_by_what_it_is() {
    let of = |text| Query { collection: Collection::Services, ..query(text) };
    check(&of("Payments"), &[("payments", "")]);
    check(&of("who takes money"), &[("payments", ""), ("orders", "")]);
    check(&Query { service: Some("orders"), ..of("whatever") }, &[("orders", "")]);
}

/// A library in which each text is near to what the function says.
fn with_vectors(vector: impl Fn(&str) -> [f32; 2]) -> Library {
    let library = library();
    let vectors = library.without_vector().into_iter().map(|text| {
        let vector = Arc::from(vector(&text).as_slice());
        (text, vector)
    });
    library.set_vectors(&vectors.collect());
    library
}

#[test]
fn what_means_the_same_is_found_without_a_word_in_common() {
    let library = with_vectors(|text| if text.contains("disk") { [1.0, 0.0] } else { [0.0, 1.0] });
    let hits = library.search(&query("no space left"), crate::Compared::Here(&[1.0, 0.0]));
    assert_eq!(hits.len(), 1);
    assert_eq!((hits[0].document.id.as_str(), hits[0].nearness), ("DiskFull", Some(1.0)));
    assert!(library.search(&query("no space left"), None).is_empty(), "by words alone it is not");
}

#[test]
fn words_and_meaning_are_weighed() {
    // By words the pool is first, by meaning the disk.
    let library = || with_vectors(|text| if text.starts_with("DiskFull") { [1.0, 0.0] } else { [0.6, 0.8] });
    let first = |weight: f64| {
        let library = library().with_meaning_weight(weight);
        library.search(&query("pool exhausted"), crate::Compared::Here(&[1.0, 0.0]))[0].document.id.clone()
    };
    assert_eq!((first(0.0).as_str(), first(1.0).as_str()), ("PoolExhausted", "DiskFull"));
}

#[test]
fn the_bytes_of_vectors_are_counted() {
    let (with, all, bytes) = library().vectors();
    assert!(with == 0 && all > 20 && bytes == 0);
    let (with, all, bytes) = with_vectors(|_| [1.0, 0.0]).vectors();
    assert_eq!((with, bytes), (all, all * 8));
}
