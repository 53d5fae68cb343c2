//! Sessions of people at the dashboard, and the tickets by which their pages listen.
//!
//! Owns: who is signed in, in memory, so that a restart signs everybody out. Whoever proved who they are, by a key or a
//! password and one day by another server's word, is a [`Caller`]; a session is made of that and of nothing else.
//! Must never: keep a token that could be used again, only its digest.

use super::key::{Caller, Digest};
use crate::error::ApiError;
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use midwatch_model::evidence::hex;
use midwatch_model::{Timestamp, after, seconds_between};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The cookie that holds a session's token where the page came by TLS. By its name browsers take it from no other server
/// and by no plain HTTP.
const SECURE_COOKIE: &str = "__Host-midwatch_session";

/// The cookie elsewhere, with the server's port behind it: browsers do not tell apart servers on ports of one host.
const PLAIN_COOKIE: &str = "midwatch_session_";

/// The header in which a page says the second half of what it knows: other sites can send a cookie, but not read this.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// Seconds that a session lasts: a shift and its handover.
pub(crate) const SESSION_S: u32 = 12 * 3600;

/// Seconds within which a ticket is used; a page asks for one right before it connects.
const TICKET_S: f64 = 30.0;

/// Sessions and tickets at a time. Beyond that the oldest make place: more people do not stand one watch.
const SESSIONS_MAX: usize = 1_000;
const TICKETS_MAX: usize = 4_000;

/// Sessions of one name at a time: a person's browsers, with room for those that were forgotten.
const SESSIONS_PER_NAME_MAX: usize = 20;

/// What a token is made of, bytes.
const TOKEN_BYTES: usize = 32;

/// Somebody who is signed in.
#[derive(Clone)]
pub(crate) struct Session {
    pub caller: Caller,
    /// What a request that changes something has to say beside its cookie.
    pub csrf: String,
    pub until: Timestamp,
}

/// The session that a caller came with.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    digest: String,
    until: Timestamp,
}

impl Signed {
    /// How long it still holds.
    pub fn left(&self, now: Timestamp) -> Duration {
        Duration::from_secs_f64(seconds_between(now, self.until).max(0.0))
    }
}

struct Ticket {
    caller: Caller,
    until: Timestamp,
}

/// Who is signed in.
pub(crate) struct Sessions {
    open: Mutex<HashMap<String, Session>>,
    tickets: Mutex<HashMap<String, Ticket>>,
    /// Moves whenever sessions end before their time.
    ends: watch::Sender<()>,
    plain_cookie: String,
}

impl Sessions {
    /// For a server on this port.
    pub fn new(port: u16) -> Self {
        Self {
            open: Mutex::default(),
            tickets: Mutex::default(),
            ends: watch::Sender::new(()),
            plain_cookie: format!("{PLAIN_COOKIE}{port}"),
        }
    }

    /// Signs somebody in; the answer is the token, which is nowhere else.
    pub fn open(&self, mut caller: Caller, now: Timestamp) -> Result<(String, Session), ApiError> {
        let (token, csrf) = (token()?, token()?);
        let (digest, until) = (digest(&token), after(now, f64::from(SESSION_S)));
        caller.signed = Some(Signed { digest: digest.clone(), until });
        let session = Session { caller, csrf, until };
        let mut open = locked(&self.open);
        open.retain(|_, session| session.until > now);
        let name = &session.caller.name;
        make_place(&mut open, SESSIONS_PER_NAME_MAX, |one| one.caller.name == *name, |one| one.until);
        make_place(&mut open, SESSIONS_MAX, |_| true, |one| one.until);
        open.insert(digest, session.clone());
        drop(open);
        self.ends.send_replace(());
        Ok((token, session))
    }

    /// Whose session the request's cookie names, if it is one that holds.
    pub fn of(&self, headers: &HeaderMap, now: Timestamp) -> Option<Session> {
        let token = self.cookie(headers)?;
        locked(&self.open).get(&digest(token)).filter(|session| session.until > now).cloned()
    }

    /// Signs out, and whoever listens with that session is let go; nothing happens to who was not signed in.
    pub fn close(&self, headers: &HeaderMap) {
        if let Some(token) = self.cookie(headers) {
            locked(&self.open).remove(&digest(token));
            self.ends.send_replace(());
        }
    }

    /// Waits until a session is closed; for ever where there is none. That it grows old is its holder's to see.
    pub async fn ended(&self, signed: Option<&Signed>) {
        let Some(signed) = signed else { return std::future::pending().await };
        let mut ends = self.ends.subscribe();
        while self.holds(signed) {
            // Its sender lives as long as this.
            let _ = ends.changed().await;
        }
    }

    fn holds(&self, signed: &Signed) -> bool {
        locked(&self.open).contains_key(&signed.digest)
    }

    /// The cookie of a session, or with an empty token the one that ends it.
    pub fn set_cookie(&self, token: &str, is_secure: bool) -> String {
        let age = if token.is_empty() { 0 } else { SESSION_S };
        let (name, secure) = match is_secure {
            true => (SECURE_COOKIE, "; Secure"),
            false => (self.plain_cookie.as_str(), ""),
        };
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
    }

    /// The token that a request carries. One that is there twice is none: somebody else has put one of them there.
    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let named = |wanted: &str| {
            let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
            let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
            let mut values = pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value);
            let first = values.next()?;
            (values.next().is_none() && !first.is_empty()).then_some(first)
        };
        named(SECURE_COOKIE).or_else(|| named(&self.plain_cookie))
    }

    /// A ticket that is good for one connection, soon.
    pub fn ticket(&self, caller: Caller, now: Timestamp) -> Result<String, ApiError> {
        let ticket = token()?;
        let mut tickets = locked(&self.tickets);
        tickets.retain(|_, ticket| ticket.until > now);
        make_place(&mut tickets, TICKETS_MAX, |_| true, |ticket| ticket.until);
        tickets.insert(digest(&ticket), Ticket { caller, until: after(now, TICKET_S) });
        Ok(ticket)
    }

    /// Takes a ticket in; it is good only once, and only while the session is that asked for it.
    pub fn redeem(&self, ticket: &str, now: Timestamp) -> Option<Caller> {
        let taken = locked(&self.tickets).remove(&digest(ticket))?;
        let stands = taken.caller.signed.as_ref().is_none_or(|signed| self.holds(signed));
        (taken.until > now && stands).then_some(taken.caller)
    }
}

impl Session {
    /// Whether a request that changes something comes from a page of ours.
    pub fn is_said_by(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        said.is_some_and(|said| Digest::of(said).is(&Digest::of(&self.csrf)))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest(token: &str) -> String {
    midwatch_model::Evidence::digest_of(token.as_bytes())
}

fn token() -> Result<String, ApiError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| ApiError::unavailable("the system gives no random bytes"))?;
    Ok(hex(&bytes))
}

/// Lets the oldest go of those that are `such` until there is place for one more.
fn make_place<T>(
    all: &mut HashMap<String, T>,
    most: usize,
    such: impl Fn(&T) -> bool,
    until: impl Fn(&T) -> Timestamp,
) {
    while all.values().filter(|one| such(one)).count() >= most {
        let oldest = all.iter().filter(|(_, one)| such(one)).min_by_key(|(_, one)| until(one));
        let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
        all.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().expect("a value"));
        headers
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_session_holds_for_its_cookie_until_it_ends() {
        let sessions = Sessions::new(7700);
        let (token, session) = sessions.open(Caller::everything("ada"), at(0)).expect("a session");
        let check = |cookie: &str, second: i64, holds: bool| {
            let found = sessions.of(&headers(cookie), at(second)).map(|session| session.caller.name);
            assert_eq!(found.is_some(), holds, "{cookie} at {second}");
        };
        let own = format!("midwatch_session_7700={token}");
        check(&own, 0, true);
        check(&format!("a=b; {own}; c=d"), i64::from(SESSION_S) - 1, true);
        check(&own, i64::from(SESSION_S), false);
        check(&format!("{SECURE_COOKIE}={token}"), 0, true);
        for wrong in ["midwatch_session", "midwatch_session_7701", "other", "midwatch_session_7700=x"] {
            check(&format!("{wrong}={token}"), 0, false);
        }
        check("midwatch_session_7700=", 0, false);
        check(&format!("{own}; {own}"), 0, false);
        check(&format!("midwatch_session_7700=planted; {own}"), 0, false);
        let mut said = HeaderMap::new();
        assert!(!session.is_said_by(&said), "without the second half");
        said.insert(CSRF_HEADER, session.csrf.parse().expect("a value"));
        assert!(session.is_said_by(&said));
        sessions.close(&headers(&own));
        check(&own, 0, false);
    }

    #[test]
    fn a_ticket_is_good_once_and_soon() {
        let sessions = Sessions::new(7700);
        let ticket = |sessions: &Sessions| sessions.ticket(Caller::everything("ada"), at(0)).expect("one");
        let (one, two) = (ticket(&sessions), ticket(&sessions));
        assert!(sessions.redeem(&one, at(1)).is_some());
        assert!(sessions.redeem(&one, at(1)).is_none(), "a second time");
        assert!(sessions.redeem(&two, at(30)).is_none(), "too late");
        assert!(sessions.redeem("", at(0)).is_none());
    }

    #[test]
    fn no_more_is_kept_than_there_is_place_for() {
        let sessions = Sessions::new(7700);
        let first = sessions.ticket(Caller::everything("ada"), at(0)).expect("one");
        for _ in 0..TICKETS_MAX {
            sessions.ticket(Caller::everything("ada"), at(1)).expect("one");
        }
        assert_eq!(locked(&sessions.tickets).len(), TICKETS_MAX);
        assert!(sessions.redeem(&first, at(2)).is_none(), "the oldest made place");
        let open = |second| sessions.open(Caller::everything("ada"), at(second)).expect("a session").0;
        let (oldest, other) =
            (open(0), sessions.open(Caller::everything("bob"), at(0)).expect("a session").0);
        for second in 1..=SESSIONS_PER_NAME_MAX {
            open(i64::try_from(second).expect("few"));
        }
        let holds = |token: &str| sessions.of(&headers(&format!("midwatch_session_7700={token}")), at(30));
        assert!(holds(&oldest).is_none(), "one name has only so many");
        assert!(holds(&other).is_some(), "and takes nobody else's");
    }

    #[test]
    fn a_ticket_ends_with_the_session_that_asked_for_it() {
        let sessions = Sessions::new(7700);
        let (token, session) = sessions.open(Caller::everything("ada"), at(0)).expect("a session");
        let ticket = || sessions.ticket(session.caller.clone(), at(1)).expect("one");
        let (used, late) = (ticket(), ticket());
        assert!(sessions.redeem(&used, at(2)).is_some());
        sessions.close(&headers(&format!("midwatch_session_7700={token}")));
        assert!(sessions.redeem(&late, at(2)).is_none());
    }
}
