//! What is known of how entities hang together: aliases, owners, who acts upon whom, and calls where they are known.

use midwatch_model::entity::name_key;
use midwatch_model::{Entity, Owner, Place, ServiceGraph, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// Most words of a name that together may name another object.
const NAME_WORDS: usize = 4;

/// Most owners of a namespace that alert together as one application does. Storms of one application that were looked at
/// have up to 17.
const APPLICATION_MAX: usize = 20;

/// Fewest letters of a name that counts as a mention: `db` is a name, a single letter is none.
const MENTION_LETTERS: usize = 2;

/// The entities that are known, and what relates them. It is built once and then only read.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    entities: BTreeSet<Entity>,
    by_owner: BTreeMap<Owner, Vec<Entity>>,
    by_key: BTreeMap<String, BTreeSet<Owner>>,
    /// The owners of everything that is said to be the same thing.
    aliases: BTreeMap<Owner, BTreeSet<Owner>>,
    /// Who acts upon, calls or is called by whom, both ways.
    neighbours: BTreeMap<Owner, BTreeSet<Owner>>,
    /// From what acts to what it acts upon.
    acts_on: BTreeMap<Owner, BTreeSet<Owner>>,
    /// Everything that calls an owner, directly or not.
    callers: BTreeMap<Owner, BTreeSet<Owner>>,
    /// How many owners alert at each place.
    alerting: BTreeMap<Place, usize>,
}

impl Topology {
    /// Entities, lists of those that are the same thing, and the service graph, which may be empty.
    #[must_use]
    pub fn new(
        entities: impl IntoIterator<Item = Entity>,
        aliases: &[Vec<Entity>],
        graph: &ServiceGraph,
    ) -> Self {
        let mut topology = Self { entities: entities.into_iter().collect(), ..Self::default() };
        for entity in &topology.entities {
            let owner = entity.owner();
            topology.by_key.entry(owner.key.clone()).or_default().insert(owner.clone());
            topology.by_owner.entry(owner).or_default().push(entity.clone());
        }
        topology.alias(aliases);
        topology.act();
        topology.call(graph);
        topology
    }

    /// Whose alerts there are: what a common place says depends on how many others alert there.
    #[must_use]
    pub fn alerting(mut self, owners: impl Iterator<Item = Owner>) -> Self {
        for owner in owners.collect::<BTreeSet<_>>() {
            *self.alerting.entry(owner.place).or_default() += 1;
        }
        self
    }

    pub(crate) fn is_crowded(&self, place: &Place) -> bool {
        self.alerting.get(place).is_some_and(|alerting| *alerting > APPLICATION_MAX)
    }

    /// Lists that share a member are one list.
    fn alias(&mut self, lists: &[Vec<Entity>]) {
        for list in lists {
            let mut set: BTreeSet<Owner> = list.iter().map(Entity::owner).collect();
            for owner in set.clone() {
                set.extend(self.aliases.get(&owner).cloned().unwrap_or_default());
            }
            for owner in &set {
                self.aliases.insert(owner.clone(), set.clone());
            }
        }
    }

    /// What is there to act upon others is named after them.
    fn act(&mut self) {
        let actors: Vec<Entity> = self.entities.iter().filter(|e| e.kind.acts_on_others()).cloned().collect();
        for actor in actors {
            let from = actor.owner();
            for to in self.named_in(&actor.owner_name(), &from) {
                self.acts_on.entry(from.clone()).or_default().insert(to.clone());
                self.neighbour(&from, &to);
            }
        }
    }

    fn call(&mut self, graph: &ServiceGraph) {
        for edge in graph.edges() {
            for (from, to) in self.pairs(&edge.from, &edge.to) {
                self.neighbour(&from, &to);
            }
        }
        for callee in graph.services() {
            for caller in graph.upstream(callee).into_keys().filter(|caller| caller != callee) {
                for (from, to) in self.pairs(&caller, callee) {
                    self.callers.entry(to).or_default().insert(from);
                }
            }
        }
    }

    /// Owners of two services of the graph that live at one place: the graph itself knows no places.
    fn pairs(&self, from: &ServiceName, to: &ServiceName) -> Vec<(Owner, Owner)> {
        let owners = |name: &ServiceName| self.by_key.get(&name_key(name.as_str())).into_iter().flatten();
        let mut pairs = Vec::new();
        for a in owners(from) {
            pairs.extend(owners(to).filter(|b| b.place == a.place).map(|b| (a.clone(), b.clone())));
        }
        pairs
    }

    fn neighbour(&mut self, a: &Owner, b: &Owner) {
        self.neighbours.entry(a.clone()).or_default().insert(b.clone());
        self.neighbours.entry(b.clone()).or_default().insert(a.clone());
    }

    /// Owners that a name speaks of: those at its own place if there are any, else in a namespace that it names too, else
    /// anywhere in its cluster.
    fn named_in(&self, name: &str, from: &Owner) -> Vec<Owner> {
        let words: Vec<&str> = name.split('-').filter(|w| !w.is_empty()).collect();
        let keys = runs(&words);
        let known = keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let cluster = |o: &&Owner| *o != from && o.place.cluster == from.place.cluster;
        let found: Vec<&Owner> = known.filter(cluster).collect();
        let namespace = |o: &&&Owner| {
            o.place.namespace.as_ref().is_some_and(|namespace| keys.contains(&name_key(namespace)))
        };
        let nearest =
            |near: Vec<&&Owner>| (!near.is_empty()).then(|| near.into_iter().copied().cloned().collect());
        nearest(found.iter().filter(|o| o.place == from.place).collect())
            .or_else(|| nearest(found.iter().filter(namespace).collect()))
            .unwrap_or_else(|| found.into_iter().cloned().collect())
    }

    /// The known entities that somebody may mean who names this one: itself; else one of the same owner, of the same kind
    /// if there is one; else the entity as it is.
    #[must_use]
    pub fn resolve(&self, named: &Entity) -> Vec<Entity> {
        if self.entities.contains(named) {
            return vec![named.clone()];
        }
        let owner = named.owner();
        let fits = |known: &Option<String>, said: &Option<String>| said.is_none() || known == said;
        let owners = self.by_key.get(&owner.key).into_iter().flatten();
        let known: Vec<Entity> = owners
            .filter(|o| fits(&o.place.cluster, &owner.place.cluster))
            .filter(|o| fits(&o.place.namespace, &owner.place.namespace))
            .flat_map(|o| self.one_of(o, named))
            .cloned()
            .collect();
        if known.is_empty() { vec![named.clone()] } else { known }
    }

    fn one_of(&self, owner: &Owner, like: &Entity) -> Option<&Entity> {
        let known = self.by_owner.get(owner)?;
        known.iter().find(|e| e.kind == like.kind).or_else(|| known.first())
    }

    /// Known entities that an alert without labels may be about, since its name speaks of them.
    #[must_use]
    pub fn mentioned(&self, text: &str, cluster: Option<&str>) -> Vec<Entity> {
        let words = words(text);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let owners = runs(&words).into_iter().filter_map(|key| self.by_key.get(&key)).flatten();
        let here = owners.filter(|o| cluster.is_none() || o.place.cluster.as_deref() == cluster);
        here.filter_map(|owner| self.by_owner.get(owner)?.first()).cloned().collect()
    }

    pub(crate) fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.entities.iter()
    }

    /// Owners of what is the same thing, itself included where anything is said of it.
    pub(crate) fn aliases(&self, owner: &Owner) -> impl Iterator<Item = &Owner> {
        self.aliases.get(owner).into_iter().flatten()
    }

    pub(crate) fn neighbours(&self, owner: &Owner) -> impl Iterator<Item = &Owner> {
        self.neighbours.get(owner).into_iter().flatten()
    }

    pub(crate) fn acts_on(&self, owner: &Owner) -> impl Iterator<Item = &Owner> {
        self.acts_on.get(owner).into_iter().flatten()
    }

    pub(crate) fn callers(&self, owner: &Owner) -> impl Iterator<Item = &Owner> {
        self.callers.get(owner).into_iter().flatten()
    }
}

/// Every run of words, written as a key.
fn runs(words: &[&str]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for length in 1..=NAME_WORDS.min(words.len()) {
        for run in words.windows(length) {
            let key = name_key(&run.concat());
            let bare = key.strip_suffix("service").map(ToOwned::to_owned);
            keys.extend(bare.into_iter().chain([key]).filter(|key| key.len() >= MENTION_LETTERS));
        }
    }
    keys
}

/// The words of a name in camel case: `HighKafkaLag` is `High`, `Kafka`, `Lag`.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut before = ' ';
    for c in text.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c);
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::EntityKind;

    fn entity(kind: EntityKind, namespace: &str, name: &str) -> Entity {
        Entity { kind, cluster: None, namespace: Some(namespace.into()), name: name.into() }
    }

    #[test]
    fn what_acts_upon_others_is_their_neighbour_and_names_decide_which() {
        let experiment = entity(EntityKind::Experiment, "chaos", "delay-live-ticket-desk");
        let near = entity(EntityKind::Service, "live", "ticketdesk-service-1");
        let far = entity(EntityKind::Service, "staging", "ticket-desk");
        let topology = Topology::new([experiment.clone(), near.clone(), far], &[], &ServiceGraph::default());
        let acts: Vec<_> = topology.acts_on(&experiment.owner()).collect();
        assert_eq!(acts, [&near.owner()], "the name also says which namespace");
        assert_eq!(topology.neighbours(&near.owner()).collect::<Vec<_>>(), [&experiment.owner()]);
    }

    #[test]
    fn a_name_without_place_is_found_and_an_unknown_one_stays_itself() {
        let pod = entity(EntityKind::Pod, "shop", "kafka-0");
        let topology = Topology::new([pod.clone()], &[], &ServiceGraph::default());
        let named = Entity { namespace: None, ..entity(EntityKind::Service, "", "kafka-service") };
        assert_eq!(topology.resolve(&named), std::slice::from_ref(&pod));
        let unknown = entity(EntityKind::Service, "shop", "mail");
        assert_eq!(topology.resolve(&unknown), std::slice::from_ref(&unknown));
        assert_eq!(topology.mentioned("HighKafkaLag", None), [pod]);
        assert!(topology.mentioned("HighErrorRate", None).is_empty());
    }

    #[test]
    fn alias_lists_that_share_a_member_are_one() {
        let names = ["a-front", "b-middle", "c-back"].map(|name| entity(EntityKind::Service, "shop", name));
        let [a, b, c] = names.clone();
        let lists = [vec![a.clone(), b.clone()], vec![b, c]];
        let topology = Topology::new(names, &lists, &ServiceGraph::default());
        assert_eq!(topology.aliases(&a.owner()).count(), 3);
    }
}
