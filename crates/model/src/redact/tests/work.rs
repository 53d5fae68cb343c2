//! No text is dear: what is looked at grows as the text does, whatever is in it and however often.
//!
//! Every piece that means something to the search is repeated, alone and with every other, in texts of one length and of four
//! times that.

use crate::redact::{known, redact, work};

/// Bytes of the shorter text.
const SHORT: usize = 768;

/// How much more may be looked at in four times the text.
const RATIO_MAX: f64 = 5.0;

/// How often a byte may be looked at, on average.
const LOOKS_MAX: f64 = 200.0;

/// One name of each kind, alone and as the names of options and headers.
const NAMES: &[&str] = &[
    "password",
    "token",
    "sig",
    "auth",
    "Authorization",
    "Cookie",
    "stringData",
    "data",
    "--token",
    "-p",
    "pass",
    "fromLiteral",
    "code",
    "key",
    "api key",
    "by",
    "пароль",
];

/// What stands between, before and behind a name and its value.
const SIGNS: &[&str] = &[
    "=",
    ":",
    ": ",
    "=>",
    ":=",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\n  ",
    "\"",
    "'",
    "''",
    "`",
    "\\",
    "\\\"",
    "\\\\\\\"",
    "\\n",
    "\\u0022",
    "&quot;",
    "&lt;",
    "&amp;",
    "%",
    "%3D",
    "%22",
    "%20",
    "%3A",
    "%253A",
    "%2525",
    "%3A%2F%2F",
    "%40",
    ":\\/\\/",
    "://",
    "@",
    "@tcp(",
    "@h:22/",
    "<",
    ">",
    "</",
    "\">",
    "(",
    ")",
    "[",
    "]",
    "{",
    "{{",
    "}",
    "[{",
    ",",
    ";",
    "&",
    "?",
    "|",
    ": |\n",
    ": >-\n ",
    "- ",
    "#",
    "!a |",
    "${",
    "$(",
    "*",
    "-",
    ".",
    "_",
    "/",
    "+",
    "--",
    "é",
    "日",
    "\u{200b}",
    "\u{0}",
];

/// Words that the search knows besides the names of secrets.
const WORDS: &[&str] = &[
    "mysql ",
    "curl -u ",
    "docker ",
    "login ",
    "sshpass -p ",
    "smbclient -U ",
    "bearer ",
    "Basic ",
    "Digest ",
    "value",
    "\"value\":",
    "is ",
    "set to ",
    "Some(",
    "b\"",
    "setenv(",
    "identified by ",
    "kind: Secret\n",
    "user ",
    "ENV ",
    "a",
    "a1",
    "AAAA",
    "A1b2",
    "12",
    "5432:",
    "eyJ",
    "AKIA0123456789AB",
    "SG.",
    "ghp_",
    "sk-",
    "$6$",
    "https://",
    "jdbc:oracle:thin:",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "Private-Lines: 1",
    "cGFzc3dvcmQ9YWJj",
    "dG9rZW4oYQ==",
    "null",
    "[redacted]",
    "not ",
    "0123456789abcdef",
    "insert into a",
    "into t(password) values (",
    "variable ",
    "AUTH ",
    "basic auth a:",
    "|| ",
    "<%= ",
    "<<<",
    "net use ",
    "htpasswd -b ",
    "to ",
    "changed from ",
    "is generated for ",
    "secrets set a=",
    "\n+",
    "\n- ",
    "\n--- ",
    "4111 ",
    "4111111111111111",
    "a:5432:b:c:",
];

/// How much is looked at in a piece repeated to so many bytes.
fn looked_at(piece: &str, bytes: usize) -> usize {
    let text = piece.repeat(bytes.div_ceil(piece.len()));
    work::during(|| drop(redact(&text)))
}

/// Why a piece is dear, if it is.
#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn dear(piece: &str) -> Option<String> {
    let (one, four) = (looked_at(piece, SHORT), looked_at(piece, 4 * SHORT));
    let (ratio, looks) = (four as f64 / one as f64, four as f64 / (4 * SHORT) as f64);
    // One look at each byte more or less is the odd length of a word.
    let grows = four as f64 > RATIO_MAX * one as f64 + (4 * SHORT) as f64;
    (grows || looks > LOOKS_MAX).then(|| format!("{piece:?}: {ratio:.1} times as much, {looks:.0} a byte"))
}

fn check(pieces: impl Iterator<Item = String>) {
    let mut count = 0;
    let dear: Vec<String> = pieces.inspect(|_| count += 1).filter_map(|piece| dear(&piece)).collect();
    assert!(dear.is_empty(), "{} of {count}:\n{}", dear.len(), dear.join("\n"));
}

fn pieces() -> impl Iterator<Item = &'static str> + Clone {
    [NAMES, SIGNS, WORDS].into_iter().flatten().copied()
}

#[test]
fn no_piece_repeated_is_dear() {
    check(pieces().chain(known::all()).map(str::to_owned));
}

#[test]
fn no_two_pieces_repeated_are_dear() {
    check(pieces().flat_map(|one| pieces().map(move |two| format!("{one}{two}"))));
}

/// Three and four pieces: a part of all that there are, the same in every run.
#[test]
fn no_few_pieces_repeated_are_dear() {
    let all: Vec<&str> = pieces().collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut any = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    check((0..4000).map(|_| {
        let name = NAMES[any() % NAMES.len()];
        let rest: String = (0..2 + any() % 2).map(|_| all[any() % all.len()]).collect();
        format!("{name}{rest}")
    }));
}
