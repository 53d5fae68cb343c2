//! Names whose values are secrets.

use super::known::{ABOUT, KEYS, NO_PASS, PASSWORDS, PERHAPS, SHORT};
use super::work::looked_at;

/// What a name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A password: whatever stands beside it is one, digits too.
    Password,
    /// A token or key: small numbers are counts.
    Key,
    /// Only what looks drawn at random is a secret, such as beside `sig` or `session`.
    Perhaps,
    /// A header or option whose value is `user:password` in base64.
    Login,
    /// `Authorization`: a scheme and a secret.
    Authorization,
    /// `Cookie`: all of it.
    Cookie,
    /// Every value of what is in it, such as `stringData`.
    Everything,
}

/// Whether a word could be a name that [`Name::kind`] knows, by three letters of it: most words need no closer look.
pub fn may_tell(word: &[u8]) -> bool {
    let known = |three: &[u8]| {
        matches!(
            &[three[0] | 0x20, three[1] | 0x20, three[2] | 0x20],
            b"pas"
                | b"psk"
                | b"cvv"
                | b"cvc"
                | b"sec"
                | b"tok"
                | b"key"
                | b"cre"
                | b"otp"
                | b"jwt"
                | b"sig"
                | b"sid"
                | b"ses"
                | b"hma"
                | b"ass"
                | b"pat"
                | b"sas"
                | b"aut"
                | b"coo"
                | b"dat"
                | b"cod"
                | b"lit"
                | b"wac"
                | b"ken"
                | b"sen"
                | b"mot"
                | b"pwd"
                | b"bea"
                | b"bas"
                | b"mun"
                | b"sal"
                | [_, b'p', b'w']
                | [b'p', b'w', _]
        )
    };
    word.len() == 2 || word.windows(3).any(known) || !word.is_ascii()
}

/// A name, cut into its words.
#[derive(Debug, Default)]
pub struct Name {
    /// Its letters and digits, in lower case, without what is between its words.
    joined: String,
    /// Where each word ends in that.
    ends: Vec<usize>,
}

impl Name {
    /// Cuts a name at its signs, its humps and its digits.
    pub fn read(&mut self, text: &str) {
        looked_at(text.len());
        self.joined.clear();
        self.ends.clear();
        let mut before = ' ';
        let mut letters = text.chars().peekable();
        while let Some(c) = letters.next() {
            let next_is_lower = letters.peek().is_some_and(char::is_ascii_lowercase);
            let hump = c.is_ascii_uppercase() && (before.is_ascii_lowercase() || next_is_lower);
            if hump || before.is_ascii_digit() != c.is_ascii_digit() {
                self.end_word();
            }
            if c.is_alphanumeric() {
                if c.is_ascii() {
                    self.joined.push(c.to_ascii_lowercase());
                } else {
                    self.joined.extend(c.to_lowercase());
                }
            } else {
                self.end_word();
            }
            before = c;
        }
        self.end_word();
    }

    fn end_word(&mut self) {
        let end = self.joined.len();
        if self.ends.last().copied().unwrap_or(0) < end {
            self.ends.push(end);
        }
    }

    pub fn joined(&self) -> &str {
        &self.joined
    }

    /// Whether it has more than one word: prose has no such names.
    pub fn is_compound(&self) -> bool {
        self.ends.len() > 1
    }

    /// What it says about its value; `before` is the word before it, for names in two words such as "api key".
    pub fn kind(&self, before: &str) -> Option<Kind> {
        match self.joined.as_str() {
            "authorization" | "proxyauthorization" | "xauthorization" => return Some(Kind::Authorization),
            "cookie" | "setcookie" | "cookies" | "documentcookie" | "sessioncookie" | "authcookie" => {
                return Some(Kind::Cookie);
            }
            "auth"
            | "basicauth"
            | "httpbasicauth"
            | "setbasicauth"
            | "passwordauthentication"
            | "usernamepasswordcredentials"
            | "networkcredential"
            | "pscredential" => return Some(Kind::Login),
            "stringdata" => return Some(Kind::Everything),
            "key" | "id" | "community" => return two_words(before, &self.joined),
            "nexttoken" | "pagetoken" | "continuationtoken" => return None,
            _ => {}
        }
        let (number, kind) = (0..self.ends.len()).rev().find_map(|n| Some((n, self.ends_as(n)?)))?;
        let about =
            (number + 1..self.ends.len()).any(|n| ABOUT.split(' ').any(|about| about == self.word(n)));
        (!about).then_some(kind)
    }

    fn word(&self, number: usize) -> &str {
        let from = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.joined[from..self.ends[number]]
    }

    /// What the name says if it ended with this word.
    fn ends_as(&self, number: usize) -> Option<Kind> {
        looked_at(1);
        let (head, word) = (&self.joined[..self.ends[number]], self.word(number));
        // Two of three words end in none of these letters.
        if !matches!(
            head.as_bytes().last()?,
            b'a' | b'c'
                | b'd'
                | b'e'
                | b'g'
                | b'h'
                | b'k'
                | b'l'
                | b'n'
                | b'p'
                | b's'
                | b't'
                | b'v'
                | b'w'
                | b'y'
                | 128..
        ) {
            return None;
        }
        let ends = |with: &&str| head.ends_with(*with);
        let is_pass = || word.ends_with("pass") && !NO_PASS.contains(&word) && !head.ends_with("bypass");
        if PASSWORDS.iter().any(ends) || word == SHORT[0] {
            Some(Kind::Password)
        } else if KEYS.iter().any(ends) || SHORT.contains(&word) || is_pass() {
            Some(Kind::Key)
        } else if PERHAPS.contains(&word) || PERHAPS[8..].iter().any(ends) {
            Some(Kind::Perhaps)
        } else {
            None
        }
    }
}

/// "API key", "session id", "access key id"; a primary, partition or cache key is none.
fn two_words(before: &str, last: &str) -> Option<Kind> {
    if before.is_empty() || !before.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let both = format!("{}{last}", before.to_ascii_lowercase());
    KEYS.contains(&both.as_str()).then_some(Kind::Key)
}

/// Whether what stands under this name is a secret by the name alone.
pub fn tells_of_secret(name: &str) -> bool {
    let mut words = Name::default();
    words.read(name);
    matches!(words.kind(""), Some(Kind::Password | Kind::Key | Kind::Authorization | Kind::Cookie))
}
