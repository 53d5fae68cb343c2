//! Words in the names of secrets.

/// Ends of names, without the signs between their words.
pub const PASSWORDS: &[&str] = &[
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
    "dbpw",
    "userpw",
    "adminpw",
    "psk",
    "cvv",
    "cvc",
    "contraseña",
    "senha",
    "motdepasse",
    "wachtwoord",
    "hasło",
    "пароль",
    "密码",
    "パスワード",
];
pub const KEYS: &[&str] = &[
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
    "erlangcookie",
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
pub const SHORT: &[&str] = &["pw", "otp", "jwt"];
pub const PERHAPS: &[&str] = &[
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
pub const NO_PASS: &[&str] = &[
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
pub const ABOUT: &str = "\
    adapter age alg algorithm api arn at attempt attempts audience authentication bucket budget bytes cache change \
    changed class client cluster cn column com config controller cost count counts cpp created css csv dir \
    disabled duration encoder enabled endpoint error errors event exception exp expiration expired expires expiry factory failed failure \
    failures field fields file filename files filter flow format generator go grant handler header headers hint \
    host html idx in index interceptor interval invalid io issued issuer java js json kind latency len length lifetime \
    limit limits line lines listener local log lookup manager max md method middleware min missing mode mount ms name \
    names net num number offset operator org owner param parser path per pod policy port position prefix \
    price provider py rate rb ref reference refresh refreshed refs request requests required requirements repository \
    reset resets review reviewer reviews role rotated rotation rs scope scopes seconds server service sh \
    size source spec state status stdin store strength success svc toml total ts ttl txt type types updated uri \
    util utils url usage used user username valid validation validator version volume window xml yaml yml";

/// Every name that is known.
#[cfg(test)]
pub fn all() -> impl Iterator<Item = &'static str> {
    [PASSWORDS, KEYS, SHORT, PERHAPS].into_iter().flatten().copied()
}
