//! Words and signs that tell a value from what is none.

use super::work::looked_at;

/// What code, documentation and configuration write where a value would be.
const NO_VALUES: &str = "\
    true false null none nil yes no undefined unset empty string str &str option any text varchar int bool \
    boolean required optional (sensitive sensitive n/a - --";

/// Bytes of what is compared with words and variables at most.
const WORD_BYTES_MAX: usize = 255;

/// Whether something that stands where a value would be is none: a word for nothing, a variable, a mask.
pub fn is_placeholder(value: &str) -> bool {
    if value.len() > WORD_BYTES_MAX {
        return false;
    }
    looked_at(value.len());
    let value = value.trim_end_matches([',', ';', '.', ')']);
    let lower = value.to_ascii_lowercase();
    let inner =
        lower.trim_start_matches(['<', '[', '(', '{', '*']).trim_end_matches(['>', ']', ')', '}', '*']);
    value.is_empty()
        || NO_VALUES.split(' ').any(|word| word == lower)
        || matches!(
            inner,
            "redacted" | "masked" | "hidden" | "filtered" | "removed" | "secret value" | "nil" | "none"
        )
        || (value.starts_with('<') && value.ends_with('>') && !value[1..].contains('<'))
        || value.starts_with("{{")
        || (value.starts_with('%') && value.len() == 2)
        || value == "{}"
        || value == "?"
        || is_variable(value)
        || is_one_sign(value)
}

/// `$NAME`, `${NAME}` and `$(command)`: what they stand for is not here.
fn is_variable(value: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte == b'_' || byte == b'.' || byte.is_ascii_alphanumeric())
    };
    let Some(name) = value.strip_prefix('$') else { return false };
    let braced = name.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
    braced.is_some_and(is_name)
        || name.starts_with('(')
        || (is_name(name) && !name.bytes().any(|byte| byte.is_ascii_lowercase()))
}

/// `****`, `xxxx`, `....`
fn is_one_sign(value: &str) -> bool {
    let first = value.chars().next().unwrap_or(' ');
    "*xX•.#?_-".contains(first) && value.chars().count() >= 3 && value.chars().all(|c| c == first)
}

/// Words that go on with a sentence after "password" or "token": no value is among them.
const PROSE: &str = "\
    a access age again allowed an and are as at auth authentication authorization based be bucket by can \
    cannot change changed check configmap connection could count creation denied did does empty encryption endpoint error exchange expired \
    expires expiry failed failure field file for forbidden format found from generated generation had has \
    have hash hashing header if in incorrect into invalid is issued issuer length limit login lookup \
    lifetime malformed manager may mechanism mismatch missing must name no not of on or permission permitted policies policy prompt \
    protected provided provider rate received refresh refreshed rejected renewal renewed request required \
    requirements reset retry revoked secret rotated rotation server service set should signature spray status store \
    such sync than that the then timed timeout to too try unable unauthorized unavailable unexpected unknown unset \
    unsupported unchanged update updated used user users using validation value vault verification verified via was \
    were when while will with without wrong token session credentials";

/// Whether a word goes on with a sentence.
pub fn is_prose(word: &str) -> bool {
    if word.len() > WORD_BYTES_MAX {
        return false;
    }
    let word = word.trim_end_matches(['.', ',', ':', ';', ')', '!', '?']);
    let lower = word.to_ascii_lowercase();
    looked_at(word.len());
    [PROSE, STATES, NO_VALUES].iter().any(|words| words.split(' ').any(|word| word == lower))
}

/// What is said of a token or a session, and is neither.
const STATES: &str = "\
    accepted active bad cancelled canceled closed created deleted denied disabled eof expired forbidden inactive \
    invalid loaded locked malformed mismatch missing ok outdated rejected removed renewed revoked rotated \
    stale succeeded success unauthorized unknown unverified valid verified";

/// Ways of going without a secret, which stand where one would.
const WITHOUT: &str =
    "workload-identity managed-identity instance-profile service-account default-credentials";

/// Whether a word says how it stands with a secret.
pub fn is_state(word: &str) -> bool {
    looked_at(word.len().min(24));
    word.len() < 24
        && [STATES, WITHOUT]
            .iter()
            .any(|words| words.split(' ').any(|state| word.eq_ignore_ascii_case(state)))
}

/// Whether a value under this name is the name of a Kubernetes Secret: `pull_secret: regcred`, `secret: db-creds-v2`. Words
/// with nothing that says so may be a passphrase.
pub fn is_reference(name: &str, value: &str) -> bool {
    let refers = ["pullsecret", "pullsecrets", "existingsecret", "tlssecret", "authsecret"];
    let always = refers.iter().any(|end| name.ends_with(end));
    if value.len() > 63 || !(always || name == "secret" || name == "secrets") {
        return false;
    }
    let pieces = || value.split(['-', '.', '/']);
    let is_word = |piece: &str| piece.len() >= 2 && piece.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_version = |piece: &str| {
        let digits = piece.trim_start_matches('v');
        !digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let told = pieces().count() > 1 && pieces().any(|piece| REFERENCES.split(' ').any(|word| word == piece));
    (always || told) && pieces().all(|piece| is_word(piece) || is_version(piece))
}

/// Words in the names of Secrets.
const REFERENCES: &str = "auth cert certs config cred credential credentials creds key keys login password passwords pull regcred \
    registry secret secrets tls token tokens";

/// Whether a value is a path: where a secret lies, and not the secret.
pub fn is_path(value: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'/' | b'.' | b'-' | b'_')
    };
    value.len() < 128
        && value.starts_with(['/', '~', '.'])
        && value.matches('/').count() >= 2
        && value.bytes().skip(1).all(plain)
        && value.bytes().filter(u8::is_ascii_digit).count() <= 4
}

/// Whether a word mixes letters with digits or signs, or capitals inside, as passwords do and words do not.
pub fn is_mixed(word: &str) -> bool {
    looked_at(word.len());
    let word = word.trim_end_matches(['.', ',', ':', ';', ')', '!', '?']);
    let any = |is: fn(&u8) -> bool| word.bytes().any(|byte| is(&byte));
    let letters = any(u8::is_ascii_alphabetic);
    let signs = word.bytes().any(|byte| b"!@#$%^&*+?~=".contains(&byte));
    word.len() >= 4 && letters && (any(u8::is_ascii_digit) || signs)
}

/// Whether a word was made up or drawn, and no one says it: mixed, or with capitals where no word begins.
pub fn looks_made_up(word: &str) -> bool {
    is_mixed(word) || is_jumbled(word)
}

/// Whether capitals and small letters change more often than in `OrderService`.
fn is_jumbled(word: &str) -> bool {
    looked_at(word.len());
    let word = word.trim_end_matches(['.', ',', ':', ';', ')', '!', '?']);
    let changes =
        word.as_bytes().windows(2).filter(|two| two[0].is_ascii_uppercase() != two[1].is_ascii_uppercase());
    word.len() >= 8
        && word.bytes().all(|byte| byte.is_ascii_alphabetic())
        && changes.count() * 3 >= word.len()
}

/// Whether a word has small letters, capitals and digits and nothing else, as no name of a Secret has.
pub fn is_drawn(word: &str) -> bool {
    looked_at(word.len());
    let any = |is: fn(&u8) -> bool| word.bytes().any(|byte| is(&byte));
    word.len() >= 8
        && any(u8::is_ascii_lowercase)
        && any(u8::is_ascii_uppercase)
        && any(u8::is_ascii_digit)
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a value looks drawn at random: for names that mostly stand beside other things.
pub fn is_long_and_mixed(value: &str) -> bool {
    looked_at(value.len());
    let any = |is: fn(&u8) -> bool| value.bytes().any(|byte| is(&byte));
    value.len() >= 16
        && any(u8::is_ascii_digit)
        && any(u8::is_ascii_alphabetic)
        && !value.contains("sha256:")
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.%~:".contains(&byte))
}

/// Whether it is a small number, such as a count of tokens.
pub fn is_small_number(value: &str) -> bool {
    value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit() || b".,%".contains(&byte))
}
