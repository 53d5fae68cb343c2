//! Names whose values are secrets.

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

/// Ends of names, without the signs between their words.
const PASSWORDS: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "pwd",
    "passwrd",
    "requirepass",
    "masterauth",
    "securestring",
    "bindpw",
    "rootpw",
    "psk",
    "contraseña",
    "senha",
    "motdepasse",
    "wachtwoord",
    "hasło",
    "пароль",
    "密码",
    "パスワード",
];
const KEYS: &[&str] = &[
    "secret",
    "token",
    "apikey",
    "secretkey",
    "secretkeybase",
    "accesskey",
    "accesskeyid",
    "accountkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "decryptionkey",
    "encryptkey",
    "cryptkey",
    "cipherkey",
    "masterkey",
    "sharedkey",
    "authkey",
    "storagekey",
    "sessionkey",
    "sessionid",
    "sessid",
    "hmackey",
    "aeskey",
    "jwtkey",
    "sshkey",
    "deploykey",
    "webhookkey",
    "credential",
    "credentials",
    "creds",
    "secretid",
    "adminkey",
    "clientkey",
    "clientkeydata",
    "unsealkey",
    "snmpcommunity",
    "communitystring",
    "rocommunity",
    "rwcommunity",
    "noncekey",
    "loggedinkey",
    "authsalt",
    "noncesalt",
    "loggedinsalt",
];
/// Whole words.
const SHORT: &[&str] = &["pw", "otp", "jwt"];
const PERHAPS: &[&str] = &[
    "sig",
    "signature",
    "sid",
    "session",
    "hmac",
    "assertion",
    "pat",
    "sas",
    "appkey",
    "servicekey",
    "integrationkey",
    "routingkey",
    "licensekey",
    "applicationkey",
];
/// Words that end in "pass" and are no passwords.
const NO_PASS: &[&str] = &[
    "bypass",
    "compass",
    "encompass",
    "surpass",
    "trespass",
    "overpass",
    "underpass",
    "multipass",
    "highpass",
    "lowpass",
    "bandpass",
    "impass",
];

/// Words after a secret's name that say something else about it: how long it is, where it lies, who gives it.
const ABOUT: &str = "\
    age alg algorithm api arn at attempt attempts audience authentication bucket budget bytes cache change \
    changed class client cluster cn column com config controller cost count counts cpp created css csv dir \
    disabled duration enabled endpoint error errors exp expiration expired expires expiry failed failure \
    failures field fields file filename files flow format generator go grant handler header headers hint \
    host html idx in index interval invalid io issued issuer java js json kind latency len length lifetime \
    limit limits line lines local log lookup manager max md method middleware min missing mode mount ms name \
    names net num number offset operator org owner param parser path per pod policy port position prefix \
    price provider py rate rb ref reference refresh refreshed refs request requests required requirements \
    reset resets review reviewer reviews role rotated rotation rs scope scopes seconds server service sh \
    size source state status stdin store strength success svc toml total ts ttl txt type types updated uri \
    url usage used user username valid validation validator version volume window xml yaml yml";

/// Whether a word could be a name that [`Name::kind`] knows, by three letters of it: most words need no closer look.
pub fn may_tell(word: &[u8]) -> bool {
    let known = |three: &[u8]| {
        matches!(
            &[three[0] | 0x20, three[1] | 0x20, three[2] | 0x20],
            b"pas"
                | b"psk"
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
            "cookie" | "setcookie" | "cookies" => return Some(Kind::Cookie),
            "auth"
            | "basicauth"
            | "httpbasicauth"
            | "setbasicauth"
            | "passwordauthentication"
            | "usernamepasswordcredentials"
            | "networkcredential"
            | "pscredential" => return Some(Kind::Login),
            "stringdata" => return Some(Kind::Everything),
            "key" | "id" => return two_words(before, &self.joined),
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

/// Every name that is known.
#[cfg(test)]
pub fn all() -> impl Iterator<Item = &'static str> {
    [PASSWORDS, KEYS, SHORT, PERHAPS].into_iter().flatten().copied()
}

/// Whether what stands under this name is a secret by the name alone.
pub fn tells_of_secret(name: &str) -> bool {
    let mut words = Name::default();
    words.read(name);
    matches!(words.kind(""), Some(Kind::Password | Kind::Key | Kind::Authorization | Kind::Cookie))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_known_name_is_passed_over() {
        for name in [PASSWORDS, KEYS, SHORT, PERHAPS].concat() {
            assert!(may_tell(name.as_bytes()), "of {name}");
        }
    }

    #[test]
    fn names_are_known_by_their_words() {
        for (name, kind) in [
            ("DB_PASSWORD", Some(Kind::Password)),
            ("javax.net.ssl.keyStorePassword", Some(Kind::Password)),
            ("APIKey", Some(Kind::Key)),
            ("accessToken2", Some(Kind::Key)),
            ("AWS_SECRET_ACCESS_KEY", Some(Kind::Key)),
            ("rabbitmq_default_pass", Some(Kind::Key)),
            ("X-Amz-Signature", Some(Kind::Perhaps)),
            ("passed", None),
            ("bypass", None),
            ("max_tokens", None),
            ("token_count", None),
            ("password_reset_total", None),
            ("POSTGRES_PASSWORD_FILE", None),
            ("SharedAccessKeyName", None),
            ("cache_key", None),
            ("partitionKey", None),
            ("token-issuer-7d9f8b6c5", None),
        ] {
            let mut words = Name::default();
            words.read(name);
            assert_eq!(words.kind(""), kind, "of {name}");
            assert!(kind.is_none() || may_tell(name.as_bytes()), "of {name}");
        }
    }
}
