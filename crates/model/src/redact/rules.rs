//! Secrets that are known by their shape, and all that is known of a text put together.

use super::{MASK, card, diff, named, place};
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// Shapes that vendors give their keys. Each says by itself what it is.
pub const SHAPES: &str = r"(?x)
    \beyJ[A-Za-z0-9_-]{14,}(?:\.[A-Za-z0-9_-]*)*
    | \b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|gl(?:pat|ptt|dt|rt|cbt|agent|soat|imt|ft)-[A-Za-z0-9_.-]{16,})
    | \bxox[abceoprs]-[A-Za-z0-9-]{10,} | \bxapp-[A-Za-z0-9-]{10,} | \bATATT[A-Za-z0-9_=-]{16,} | \bATBB[A-Za-z0-9]{16,}
    | hooks\.slack\.com(?:/|\\/)(?:services|workflows|triggers)(?:/|\\/)[A-Za-z0-9/_\\-]{10,}
    | discord(?:app)?\.com(?:/|\\/)api(?:/v[0-9]+|\\/v[0-9]+)?(?:/|\\/)webhooks(?:/|\\/)[A-Za-z0-9/_\\-]{10,}
    | webhook\.office\.com/webhookb2/[A-Za-z0-9/@_-]{16,} | outlook\.office\.com/webhook/[A-Za-z0-9/@_-]{16,}
    | hooks\.zapier\.com/hooks/catch/[A-Za-z0-9/]{6,} | events\.pagerduty\.com/integration/[A-Za-z0-9]{16,}
    | \b[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,} | \bsk-(?:ant|proj|svcacct|admin|or|lf)-[A-Za-z0-9_-]{12,} | \bwhsec_[A-Za-z0-9+/=]{16,}
    | \bpk_live_[A-Za-z0-9]{10,} | \bsk-[A-Za-z0-9]{16,} | \b(?:sk|rk)_[A-Za-z0-9]{24,}
    | \b(?:AKIA|ASIA|ABIA|ACCA|AROA)[A-Z0-9]{12,} | \bABSK[A-Za-z0-9+/=]{20,} | \bbedrock-api-key-[A-Za-z0-9+/=]{16,}
    | \bAIza[A-Za-z0-9_-]{20,} | \bya29\.[A-Za-z0-9_-]{12,} | \bGOCSPX-[A-Za-z0-9_-]{16,}
    | \bnpm_[A-Za-z0-9]{16,} | \bpypi-[A-Za-z0-9_-]{16,} | \bdckr_pat_[A-Za-z0-9_-]{16,} | \bhf_[A-Za-z0-9]{16,}
    | \brubygems_[0-9a-f]{16,} | \bgsk_[A-Za-z0-9]{16,} | \bxai-[A-Za-z0-9]{20,} | \bpplx-[A-Za-z0-9]{20,} | \br8_[A-Za-z0-9]{20,}
    | \bSG\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,} | \b(?:SK|AC)[0-9a-f]{32}\b | \bkey-[0-9a-f]{32}\b
    | \bdo[opr]_v1_[0-9a-f]{16,} | \bhv[sbr]\.[A-Za-z0-9_-]{12,} | \bdapi[0-9a-f]{32}\b | \bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{16,}
    | \bAGE-SECRET-KEY-1[A-Z0-9]{20,} | \b[0-9]{8,10}:AA[A-Za-z0-9_-]{30,} | \bsq0(?:atp|csp)-[A-Za-z0-9_-]{16,}
    | \bgl(?:sa|c)_[A-Za-z0-9_+/=]{20,} | \bNRAK-[A-Z0-9]{16,} | \bNRJS-[0-9a-f]{16,} | \blin_api_[A-Za-z0-9]{16,}
    | \btfp_[A-Za-z0-9_-]{20,} | \b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{20,} | \bfigd_[A-Za-z0-9_-]{16,} | \bpul-[0-9a-f]{20,}
    | \bsntry[su]_[A-Za-z0-9_=+/-]{16,} | \bsbp_[0-9a-f]{20,} | \bEAA[A-Za-z0-9]{30,} | \bsecret_[A-Za-z0-9]{30,} | \bntn_[A-Za-z0-9]{20,}
    | [0-9]Q~[A-Za-z0-9_~.-]{31,34} | \b1//0[A-Za-z0-9_-]{25,}
    | \bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{20,} | \bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{16,} | \bsb_secret_[A-Za-z0-9_-]{16,}
    | \btskey-[a-z]+-[A-Za-z0-9-]{16,} | \bPMAK-[A-Za-z0-9-]{20,} | \bAKCp[A-Za-z0-9]{20,} | \bCCIPAT_[A-Za-z0-9_]{16,}
    | \bbkua_[A-Za-z0-9]{16,} | \bdt0[a-z][0-9]{2}\.[A-Z0-9]{10,}\.[A-Z0-9]{20,} | \b[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}
    | \bxkeysib-[A-Za-z0-9-]{16,} | \bnfp_[A-Za-z0-9]{16,} | \bHRKU-[A-Za-z0-9-]{16,} | \bdckr_oat_[A-Za-z0-9_-]{16,} | \boy2[a-z0-9]{43}\b
    | \bLTAI[A-Za-z0-9]{12,} | \bpat[A-Za-z0-9]{14}\.[0-9a-f]{32,} | \bs\.[A-Za-z0-9]{24}\b | \bb3BlbnNzaC1rZXkt[A-Za-z0-9+/=]{20,}
    | \bLS0tLS1CRUdJTi(?:BSU0Eg|BFQy|BPUEVO|BQUklW|BFTkNS|BEU0Eg)[A-Za-z0-9+/=]{16,}
    | \$(?:1|2[abxy]?|5|6|y|apr1|argon2(?:id|i|d)|scrypt|pbkdf2-[a-z0-9]+)\$[A-Za-z0-9./$,=+]{20,}";

/// A long run of letters, digits and signs; whether it is random is looked at.
pub const RUN: &str = r"[A-Za-z0-9+/_-]{40,}={0,2}";

/// What a match becomes; `None` leaves it as it is.
type Becomes = fn(&Captures<'_>) -> Option<String>;

static RULES: LazyLock<Vec<(Regex, Becomes)>> = LazyLock::new(|| {
    let rules: [(&str, Becomes); 4] = [
        (
            r"(?s)-----BEGIN[A-Z0-9 +%]*PRIVATE(?: |\+|%20)KEY(?:(?: |\+|%20)BLOCK)?-----.*?(?:-----END[A-Z0-9 +%]*PRIVATE(?: |\+|%20)KEY(?:(?: |\+|%20)BLOCK)?-----|\z)",
            whole,
        ),
        (r"(?s)(Private-Lines: \d+).*?(?:Private-MAC|\z)", after_first),
        (SHAPES, whole),
        (RUN, random),
    ];
    rules.map(|(pattern, becomes)| (compiled(pattern), becomes)).into()
});

/// Words end where ASCII words end: the automaton for anything else is a hundred times as slow, and keys are ASCII.
pub fn compiled(pattern: &str) -> Regex {
    Regex::new(&pattern.replace(r"\b", r"(?-u:\b)")).expect("a constant pattern")
}

/// The text with what is known by its shape, its name or its place masked, `None` if there is nothing.
pub fn masked(text: &str) -> Option<String> {
    let shaped = by_shape(text);
    let now = shaped.as_deref().unwrap_or(text);
    let ranges: Vec<Range<usize>> = [named::find(now), place::find(now), diff::find(now), card::find(now)]
        .into_iter()
        .flatten()
        .collect();
    if ranges.is_empty() { shaped } else { Some(cut(now, ranges)) }
}

fn by_shape(text: &str) -> Option<String> {
    let mut masked: Option<String> = None;
    for (pattern, becomes) in RULES.iter() {
        let now = masked.as_deref().unwrap_or(text);
        let replaced = pattern
            .replace_all(now, |found: &Captures<'_>| becomes(found).unwrap_or_else(|| found[0].to_owned()));
        if let Cow::Owned(replaced) = replaced
            && replaced != now
        {
            masked = Some(replaced);
        }
    }
    masked
}

/// The text with ranges masked, overlapping ones as one.
pub fn cut(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let (mut masked, mut from) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        if range.start >= from {
            masked.push_str(&text[from..range.start]);
            masked.push_str(MASK);
        }
        from = from.max(range.end);
    }
    masked.push_str(&text[from..]);
    masked
}

fn whole(_: &Captures<'_>) -> Option<String> {
    Some(MASK.to_owned())
}

fn after_first(found: &Captures<'_>) -> Option<String> {
    Some(format!("{}{MASK}", &found[1]))
}

fn random(found: &Captures<'_>) -> Option<String> {
    is_random(&found[0]).then(|| MASK.to_owned())
}

/// Whether a run looks drawn at random: letters of both cases and digits, well mixed, and no path.
pub fn is_random(run: &str) -> bool {
    let count = |is: fn(&u8) -> bool| run.as_bytes().iter().filter(|byte| is(byte)).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let digits = count(u8::is_ascii_digit);
    let pieces = run.split(['/', '-', '_']).count();
    let long_pieces = run.len() / pieces >= 12;
    upper * 8 >= run.len()
        && lower * 8 >= run.len()
        && digits * 16 >= run.len()
        && long_pieces
        && changes(run) * 3 >= run.len()
}

/// How often a letter, a capital or a digit is followed by something else: in names such as `OrderService2` rarely.
fn changes(run: &str) -> usize {
    let class = |byte: u8| (byte.is_ascii_uppercase(), byte.is_ascii_lowercase(), byte.is_ascii_digit());
    run.as_bytes().windows(2).filter(|two| class(two[0]) != class(two[1])).count()
}
