//! What a name says of an entity's role among others. It is a convention and no knowledge, so it weighs little.

use midwatch_model::Entity;
use midwatch_model::entity::name_key;

/// A role that names give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Loads others on purpose, as an experiment does.
    Generator,
    /// Stores or carries data for others, who depend on it.
    Store,
    /// Passes on what others answer, and depends on all of them.
    Edge,
}

/// Words for roles. One of five letters or more may be a part of a longer word.
const WORDS: [(Role, &[&str]); 3] = [
    (Role::Generator, &["loadgenerator", "loadgen", "locust", "jmeter", "gatling", "benchmark", "k6"]),
    (
        Role::Store,
        &[
            "postgres",
            "mysql",
            "mariadb",
            "mongo",
            "redis",
            "valkey",
            "memcached",
            "cassandra",
            "clickhouse",
            "elasticsearch",
            "opensearch",
            "kafka",
            "rabbitmq",
            "zookeeper",
            "minio",
            "vault",
            "consul",
            "etcd",
            "nats",
            "db",
            "sql",
            "database",
            "cache",
            "queue",
        ],
    ),
    (
        Role::Edge,
        &[
            "frontend",
            "gateway",
            "ingress",
            "proxy",
            "envoy",
            "nginx",
            "haproxy",
            "loadbalancer",
            "edge",
            "web",
            "ui",
            "bff",
            "lb",
        ],
    ),
];

/// Letters from which a word is told apart inside a longer one.
const PART_LETTERS: usize = 5;

impl Role {
    pub(crate) fn of(entity: &Entity) -> Option<Self> {
        // What acts upon a store is named after it and is none.
        if entity.kind.acts_on_others() {
            return None;
        }
        let name = entity.owner_name().to_lowercase();
        let key = name_key(&name);
        let says = |word: &&str| {
            name.split('-').any(|part| part == *word) || (word.len() >= PART_LETTERS && key.contains(*word))
        };
        WORDS.iter().find(|(_, words)| words.iter().any(says)).map(|(role, _)| *role)
    }

    /// What it is worth in the search for a root. A generator comes close to an experiment, a pod of one being 500 by
    /// its kind; the others decide only among entities of one kind.
    pub(crate) fn points(self) -> i32 {
        match self {
            Role::Generator => 400,
            Role::Store => 60,
            Role::Edge => -60,
        }
    }

    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Role::Generator => "by its name, it generates load",
            Role::Store => "by its name, others keep their data with it",
            Role::Edge => "by its name, it passes on what others answer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::EntityKind;

    #[test]
    fn names_tell_roles() {
        let check = |name: &str, role| {
            let entity = Entity { kind: EntityKind::Pod, cluster: None, namespace: None, name: name.into() };
            assert_eq!(Role::of(&entity), role, "{name}");
        };
        check("load-generator-pod-1", Some(Role::Generator));
        check("orders-db-0", Some(Role::Store));
        check("frontendproxy-1", Some(Role::Edge));
        check("website", None);
        check("checkout", None);
    }
}
