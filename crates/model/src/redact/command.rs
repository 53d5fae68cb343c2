//! Secrets among the arguments of commands whose options do not say what they are: `mysql -p…`, `curl -u user:…`.

use super::sign::{after_blanks, is_quote, line_end, sign, until};
use super::value::quoted;
use super::words::{is_placeholder, looks_made_up};
use super::work::looked_at;
use std::ops::Range;

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The secret, in the same word or the next.
    Secret,
    /// The secret, in the same word only.
    Glued,
    /// The secret, if it looks like one.
    IfMixed,
    /// The secret, if the command logs in.
    AfterLogin,
    Nothing,
    /// `user:secret`
    AfterColon,
    /// `user%secret`
    AfterPercent,
    /// `user,secret`
    AfterComma,
    /// `name=secret`
    AfterEquals,
    /// `user/secret@database`
    AfterSlash,
}

/// What of a command's arguments is secret.
#[derive(Clone, Copy)]
pub struct Command {
    options: &'static [(&'static str, Holds)],
    /// Options of one letter that hold nothing, and may stand before another in one word: `curl -sSu …`.
    flags: &'static str,
    /// Arguments that are no options, by their number, behind a first one or behind flags that say so.
    words: &'static [(&'static str, usize, Holds)],
}

/// What to look for behind a word, if that is such a command.
pub fn arguments(word: &str) -> Option<Command> {
    let (options, flags): (&[(&str, Holds)], &str) = match word {
        "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlpump" | "mysqlsh" | "mysqlcheck"
        | "mariadb" | "mariadb-dump" | "mariadb-admin" | "7z" | "7za" => {
            (&[("-p", Holds::Glued)], "BNstvrfXHECA")
        }
        "sshpass" | "mongo" | "mongosh" | "mongodump" | "mongorestore" | "cqlsh" | "rdesktop" => {
            (&[("-p", Holds::Secret)], "")
        }
        // Elsewhere it is a port or a project.
        "docker" | "podman" | "skopeo" | "buildah" | "nerdctl" | "az" | "helm" | "oras" | "crane" | "oc"
        | "cf" => (&[("-p", Holds::AfterLogin)], ""),
        "curl" | "http" | "https" | "ab" | "hey" => (
            &[
                ("-u", Holds::AfterColon),
                ("--user", Holds::AfterColon),
                ("-U", Holds::AfterColon),
                ("--proxy-user", Holds::AfterColon),
                ("-a", Holds::AfterColon),
                ("-A", Holds::AfterColon),
                ("-b", Holds::AfterEquals),
            ],
            "sSkLvfgiIOJjnqNRl0146#",
        ),
        "etcdctl" => (&[("--user", Holds::AfterColon)], ""),
        "lftp" => (&[("-u", Holds::AfterComma)], ""),
        "redis-cli" | "valkey-cli" => (&[("-a", Holds::Secret)], ""),
        "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapwhoami" | "ldapdelete" | "ldappasswd" => {
            (&[("-w", Holds::Secret)], "xLnvcZACMRtTuF")
        }
        "sqlcmd" | "bcp" | "zip" | "unzip" | "ipmitool" | "mosquitto_pub" | "mosquitto_sub" => {
            (&[("-P", Holds::Secret)], "rqjoXy9")
        }
        "snmpwalk" | "snmpget" | "snmpset" | "snmpbulkwalk" | "snmptrap" => {
            (&[("-c", Holds::Secret), ("-A", Holds::Secret), ("-X", Holds::Secret)], "")
        }
        "ssh-keygen" => (&[("-N", Holds::Secret), ("-P", Holds::Secret)], ""),
        "plink" | "pscp" | "psftp" => (&[("-pw", Holds::Secret)], ""),
        "smbclient" | "rpcclient" => (&[("-U", Holds::AfterPercent)], ""),
        "radius-server" | "tacacs-server" => (&[("key", Holds::IfMixed)], ""),
        _ => return by_number(word),
    };
    Some(Command { options, flags, words: &[] })
}

/// Commands whose secret is an argument of a known number.
fn by_number(word: &str) -> Option<Command> {
    let words: &[(&str, usize, Holds)] = match word {
        "htpasswd" => &[("-nb", 1, Holds::Secret), ("-b", 2, Holds::Secret)],
        "sqlplus" | "sqlldr" | "expdp" | "impdp" => &[("", 0, Holds::AfterSlash)],
        "rabbitmqctl" => &[
            ("add_user", 2, Holds::Secret),
            ("change_password", 2, Holds::Secret),
            ("authenticate_user", 2, Holds::Secret),
        ],
        "net" => &[("user", 2, Holds::IfMixed), ("use", 2, Holds::IfMixed)],
        "chpasswd" => &[("", 0, Holds::AfterColon)],
        "fly" | "flyctl" | "supabase" => &[("secrets", 2, Holds::AfterEquals)],
        "heroku" => &[("config:set", 1, Holds::AfterEquals)],
        "wpa_passphrase" => &[("", 1, Holds::Secret)],
        // `stats auth user:…` of HAProxy.
        "stats" => &[("auth", 1, Holds::AfterColon)],
        "snmp-server" => &[("community", 1, Holds::Secret)],
        "mc" => &[("alias", 5, Holds::Secret)],
        _ => return None,
    };
    Some(Command { options: &[], flags: "", words })
}

/// What was seen of the arguments of a command.
#[derive(Default)]
struct Seen<'a> {
    first: &'a str,
    words: usize,
    /// The letters of its options, as `htpasswd -nbB` joins them.
    letters: String,
    logs_in: bool,
}

impl Seen<'_> {
    /// What the next argument that is no option holds.
    fn holds(&self, command: Command) -> Option<Holds> {
        let told = |by: &str| match by.strip_prefix('-') {
            Some(letters) => letters.chars().all(|letter| self.letters.contains(letter)),
            None => by.is_empty() || by == self.first,
        };
        // `secrets set A=… B=…` has as many as there are.
        let is_there = |number: usize, holds| {
            number == self.words || (number < self.words && holds == Holds::AfterEquals)
        };
        let (.., holds) =
            command.words.iter().find(|(by, number, holds)| told(by) && is_there(*number, *holds))?;
        Some(*holds)
    }
}

/// Adds the secrets of the arguments from `at` on; says where they end.
pub fn find(text: &[u8], mut at: usize, command: Command, found: &mut Vec<Range<usize>>) -> usize {
    let (mut awaited, mut seen, before, mut last) = (None, Seen::default(), found.len(), "");
    while let Some((word, next)) = argument(text, at).filter(|(_, next)| *next > at) {
        looked_at(word.len());
        let content = std::str::from_utf8(&text[word.clone()]).unwrap_or("");
        // "… to htpasswd -b …": what is asked for was found, and another command begins.
        let is_other = last == "to" || (found.len() > before && awaited.is_none());
        if is_other && (matches!(content, "echo" | "printf") || arguments(content).is_some()) {
            return word.start;
        }
        last = content;
        if let Some(holds) = awaited.take() {
            push(content, &word, holds, found);
        } else if let Some((rest, holds)) = option(content, command) {
            let holds = if holds == Holds::AfterLogin && !seen.logs_in { Holds::Nothing } else { holds };
            let value = rest.trim_start_matches('=');
            if value.is_empty() {
                awaited = (holds != Holds::Glued).then_some(holds);
            } else if !content.starts_with("--") || rest.starts_with('=') {
                push(value, &(word.end - value.len()..word.end), holds, found);
            }
        } else if content.starts_with("/user:") {
            awaited = Some(Holds::Secret);
        } else if content.starts_with('-') {
            seen.letters.extend(content.chars().skip(1).take(8));
        } else {
            if let Some(holds) = seen.holds(command) {
                push(content, &word, holds, found);
            }
            seen.first = if seen.words == 0 { content } else { seen.first };
            seen.words += 1;
        }
        seen.logs_in |= content == "login";
        at = next;
    }
    at
}

/// What is in a word behind an option, and what that holds.
fn option(content: &str, command: Command) -> Option<(&str, Holds)> {
    command.options.iter().find_map(|(option, holds)| {
        // What is no option is a word of its own.
        let is_whole = option.starts_with('-') || content == *option;
        if let Some(rest) = content.strip_prefix(option).filter(|_| is_whole) {
            return Some((rest, *holds));
        }
        let letters = content.strip_prefix('-').filter(|_| option.len() == 2)?;
        let flags =
            letters.bytes().take(8).take_while(|letter| command.flags.as_bytes().contains(letter)).count();
        let rest = letters[flags..].strip_prefix(&option[1..])?;
        (flags > 0).then_some((rest, *holds))
    })
}

/// Commands that read a secret from what is before them in a pipe, and what that holds.
const READERS: [(&str, Holds); 5] = [
    ("chpasswd", Holds::AfterColon),
    ("password-stdin", Holds::Secret),
    ("--stdin", Holds::Secret),
    ("sudo -S", Holds::Secret),
    ("with-token", Holds::Secret),
];

/// Bytes behind a `|` in which the reader's name is.
const READER_BYTES_MAX: usize = 64;

/// Adds the secret of `echo … | chpasswd`, and of whatever else reads one; says where the arguments end.
pub fn echoed(text: &str, mut at: usize, found: &mut Vec<Range<usize>>) -> usize {
    let (bytes, mut last) = (text.as_bytes(), None);
    while let Some((word, next)) = argument(bytes, at).filter(|(_, next)| *next > at) {
        looked_at(word.len());
        (last, at) = (Some(word), next);
    }
    let pipe = after_blanks(bytes, at);
    let Some(word) = last.filter(|_| bytes.get(pipe) == Some(&b'|')) else { return at };
    let reader = &bytes[pipe..bytes.len().min(pipe + READER_BYTES_MAX)];
    looked_at(reader.len());
    let line = &reader[..line_end(reader, 0)];
    let reads = |name: &str| line.windows(name.len()).any(|part| part == name.as_bytes());
    if let Some((_, holds)) = READERS.iter().find(|(name, _)| reads(name)) {
        push(&text[word.clone()], &word, *holds, found);
    }
    at
}

fn push(content: &str, range: &Range<usize>, holds: Holds, found: &mut Vec<Range<usize>>) {
    let behind = |sign: char| content.find(sign).map(|at| at + 1..content.len());
    let secret = match holds {
        Holds::Nothing => None,
        Holds::Secret | Holds::Glued | Holds::AfterLogin => Some(0..content.len()),
        Holds::IfMixed => {
            (looks_made_up(content) && !content.starts_with(['/', '\\'])).then_some(0..content.len())
        }
        Holds::AfterColon => behind(':'),
        Holds::AfterPercent => behind('%'),
        Holds::AfterComma => behind(','),
        Holds::AfterEquals => behind('='),
        Holds::AfterSlash => {
            let host = content.rfind('@').unwrap_or(content.len());
            content.find('/').filter(|slash| *slash > 0 && *slash < host).map(|slash| slash + 1..host)
        }
    };
    let is_port = content.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'/'));
    if let Some(secret) = secret
        .filter(|secret| !is_placeholder(&content[secret.clone()]) && !content.starts_with('-') && !is_port)
    {
        found.push(range.start + secret.start..range.start + secret.end);
    }
}

/// The next argument and where the text goes on behind it; `None` where the command ends.
fn argument(text: &[u8], mut at: usize) -> Option<(Range<usize>, usize)> {
    at = until(text, at, |byte| !matches!(byte, b' ' | b'\t' | b'\x0c' | b',' | b'[' | b']'));
    if text[at..].starts_with(b"<<<") {
        at = after_blanks(text, at + 3);
    }
    text.get(at)?;
    // `\\\\server\share`
    if text[at..].starts_with(b"\\\\") {
        let end = until(text, at, |byte| byte.is_ascii_whitespace() || byte == b'"');
        return Some((at..end, end));
    }
    // A backtick ends a command that is quoted in Markdown.
    if let Some(open) = sign(text, at).filter(|open| is_quote(*open) && open.is != b'`') {
        let (range, next) = quoted(text, at, open);
        return Some((range, next));
    }
    if matches!(text[at], b'|' | b';' | b'&' | b'\n' | b'\r' | b'>' | b'<' | b'\\' | b')' | b'}' | b'`') {
        return None;
    }
    let stops = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'`' | b'|' | b'\\' | b';');
    let mut end = until(text, at, stops);
    // `-p'…'` and `-u "admin:…"` in one word.
    if let Some(open) = sign(text, end).filter(|open| is_quote(*open) && open.is != b'`' && end > at) {
        let (range, next) = quoted(text, end, open);
        end = range.end;
        return Some((at..end, next));
    }
    if text[at..end].ends_with(b",") {
        end -= 1;
    }
    Some((at..end, end))
}
