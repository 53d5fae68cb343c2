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
use midwatch_model::{Timestamp, after};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The cookie that holds a session's token.
pub(crate) const COOKIE_NAME: &str = "midwatch_session";

/// The header in which a page says the second half of what it knows: other sites can send a cookie, but not read this.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// Seconds that a session lasts: a shift and its handover.
pub(crate) const SESSION_S: u32 = 12 * 3600;

/// Seconds within which a ticket is used; a page asks for one right before it connects.
const TICKET_S: f64 = 30.0;

/// Sessions and tickets at a time. Beyond that the oldest make place: more people do not stand one watch.
const SESSIONS_MAX: usize = 1_000;
const TICKETS_MAX: usize = 4_000;

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

struct Ticket {
    caller: Caller,
    until: Timestamp,
}

/// Who is signed in.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<String, Session>>,
    tickets: Mutex<HashMap<String, Ticket>>,
}

impl Sessions {
    /// Signs somebody in; the answer is the token, which is nowhere else.
    pub fn open(&self, caller: Caller, now: Timestamp) -> Result<(String, Session), ApiError> {
        let (token, csrf) = (token()?, token()?);
        let session = Session { caller, csrf, until: after(now, f64::from(SESSION_S)) };
        let mut open = locked(&self.open);
        open.retain(|_, session| session.until > now);
        make_place(&mut open, SESSIONS_MAX, |session| session.until);
        open.insert(digest(&token), session.clone());
        Ok((token, session))
    }

    /// Whose session the request's cookie names, if it is one that holds.
    pub fn of(&self, headers: &HeaderMap, now: Timestamp) -> Option<Session> {
        let token = cookie(headers)?;
        locked(&self.open).get(&digest(token)).filter(|session| session.until > now).cloned()
    }

    /// Signs out; nothing happens to who was not signed in.
    pub fn close(&self, headers: &HeaderMap) {
        if let Some(token) = cookie(headers) {
            locked(&self.open).remove(&digest(token));
        }
    }

    /// A ticket that is good for one connection, soon.
    pub fn ticket(&self, caller: Caller, now: Timestamp) -> Result<String, ApiError> {
        let ticket = token()?;
        let mut tickets = locked(&self.tickets);
        tickets.retain(|_, ticket| ticket.until > now);
        make_place(&mut tickets, TICKETS_MAX, |ticket| ticket.until);
        tickets.insert(digest(&ticket), Ticket { caller, until: after(now, TICKET_S) });
        Ok(ticket)
    }

    /// Takes a ticket in; it is good only once.
    pub fn redeem(&self, ticket: &str, now: Timestamp) -> Option<Caller> {
        let taken = locked(&self.tickets).remove(&digest(ticket))?;
        (taken.until > now).then_some(taken.caller)
    }
}

impl Session {
    /// Whether a request that changes something comes from a page of ours.
    pub fn is_said_by(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        said.is_some_and(|said| Digest::of(said).is(&Digest::of(&self.csrf)))
    }
}

/// The cookie of a session, or with an empty token the one that ends it.
pub(crate) fn set_cookie(token: &str, is_secure: bool) -> String {
    let age = if token.is_empty() { 0 } else { SESSION_S };
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value).filter(|value| !value.is_empty())
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

fn make_place<T>(all: &mut HashMap<String, T>, most: usize, until: impl Fn(&T) -> Timestamp) {
    while all.len() >= most {
        let Some(oldest) = all.iter().min_by_key(|(_, one)| until(one)).map(|(key, _)| key.clone()) else {
            return;
        };
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
        let sessions = Sessions::default();
        let (token, session) = sessions.open(Caller::everything("ada"), at(0)).expect("a session");
        let check = |cookie: &str, second: i64, holds: bool| {
            let found = sessions.of(&headers(cookie), at(second)).map(|session| session.caller.name);
            assert_eq!(found.is_some(), holds, "{cookie} at {second}");
        };
        let own = format!("{COOKIE_NAME}={token}");
        check(&own, 0, true);
        check(&format!("a=b; {own}; c=d"), i64::from(SESSION_S) - 1, true);
        check(&own, i64::from(SESSION_S), false);
        check(&format!("{COOKIE_NAME}="), 0, false);
        check(&format!("{COOKIE_NAME}=x{token}"), 0, false);
        check(&format!("other={token}"), 0, false);
        let mut said = HeaderMap::new();
        assert!(!session.is_said_by(&said), "without the second half");
        said.insert(CSRF_HEADER, session.csrf.parse().expect("a value"));
        assert!(session.is_said_by(&said));
        sessions.close(&headers(&own));
        check(&own, 0, false);
    }

    #[test]
    fn a_ticket_is_good_once_and_soon() {
        let sessions = Sessions::default();
        let ticket = |sessions: &Sessions| sessions.ticket(Caller::everything("ada"), at(0)).expect("one");
        let (one, two) = (ticket(&sessions), ticket(&sessions));
        assert!(sessions.redeem(&one, at(1)).is_some());
        assert!(sessions.redeem(&one, at(1)).is_none(), "a second time");
        assert!(sessions.redeem(&two, at(30)).is_none(), "too late");
        assert!(sessions.redeem("", at(0)).is_none());
    }

    #[test]
    fn no_more_is_kept_than_there_is_place_for() {
        let sessions = Sessions::default();
        let first = sessions.ticket(Caller::everything("ada"), at(0)).expect("one");
        for _ in 0..TICKETS_MAX {
            sessions.ticket(Caller::everything("ada"), at(1)).expect("one");
        }
        assert_eq!(locked(&sessions.tickets).len(), TICKETS_MAX);
        assert!(sessions.redeem(&first, at(2)).is_none(), "the oldest made place");
    }
}
