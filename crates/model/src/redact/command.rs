//! Secrets among the arguments of commands whose options do not say what they are: `mysql -p…`, `curl -u user:…`.

use super::sign::{is_quote, sign, until};
use super::value::quoted;
use super::words::is_placeholder;
use super::work::looked_at;
use std::ops::Range;

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The secret, in the same word or the next.
    Secret,
    /// The secret, in the same word only.
    Glued,
    /// The secret, if the command logs in.
    AfterLogin,
    Nothing,
    /// `user:secret`
    AfterColon,
    /// `user%secret`
    AfterPercent,
}

/// Options of a command that hold secrets.
pub type Options = &'static [(&'static str, Holds)];

/// The options to look for behind a word, if that is such a command.
pub fn arguments(word: &str) -> Option<Options> {
    Some(match word {
        "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlpump" | "mysqlsh" | "mysqlcheck"
        | "mariadb" | "mariadb-dump" | "mariadb-admin" | "7z" | "7za" => &[("-p", Holds::Glued)],
        "sshpass" | "mongo" | "mongosh" | "mongodump" | "mongorestore" | "cqlsh" | "rdesktop" => {
            &[("-p", Holds::Secret)]
        }
        // Elsewhere it is a port or a project.
        "docker" | "podman" | "skopeo" | "buildah" | "az" => &[("-p", Holds::AfterLogin)],
        "curl" | "http" | "https" => &[
            ("-u", Holds::AfterColon),
            ("--user", Holds::AfterColon),
            ("-U", Holds::AfterColon),
            ("--proxy-user", Holds::AfterColon),
            ("-a", Holds::AfterColon),
        ],
        "redis-cli" | "valkey-cli" => &[("-a", Holds::Secret)],
        "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapwhoami" | "ldapdelete" | "ldappasswd" => {
            &[("-w", Holds::Secret)]
        }
        "sqlcmd" | "bcp" | "zip" | "unzip" | "ipmitool" => &[("-P", Holds::Secret)],
        "plink" | "pscp" | "psftp" => &[("-pw", Holds::Secret)],
        "smbclient" | "rpcclient" => &[("-U", Holds::AfterPercent)],
        _ => return None,
    })
}

/// Adds the secrets of the arguments from `at` on; says where they end.
pub fn find(text: &[u8], mut at: usize, options: Options, found: &mut Vec<Range<usize>>) -> usize {
    let mut awaited = None;
    let mut logs_in = false;
    while let Some((word, next)) = argument(text, at).filter(|(_, next)| *next > at) {
        looked_at(word.len());
        let content = std::str::from_utf8(&text[word.clone()]).unwrap_or("");
        if let Some(holds) = awaited.take() {
            push(content, &word, holds, found);
        } else if let Some((option, holds)) = options.iter().find(|(option, _)| content.starts_with(option)) {
            let rest = content[option.len()..].trim_start_matches('=');
            let is_long = option.starts_with("--");
            let holds = if *holds == Holds::AfterLogin && !logs_in { &Holds::Nothing } else { holds };
            if rest.is_empty() {
                awaited = (*holds != Holds::Glued).then_some(*holds);
            } else if !is_long || content.as_bytes()[option.len()] == b'=' {
                push(rest, &(word.end - rest.len()..word.end), *holds, found);
            }
        }
        logs_in |= content == "login";
        at = next;
    }
    at
}

fn push(content: &str, range: &Range<usize>, holds: Holds, found: &mut Vec<Range<usize>>) {
    let from = match holds {
        Holds::Nothing => None,
        Holds::Secret | Holds::Glued | Holds::AfterLogin => Some(0),
        Holds::AfterColon => content.find(':').map(|colon| colon + 1),
        Holds::AfterPercent => content.find('%').map(|percent| percent + 1),
    };
    let is_port = content.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    if let Some(from) =
        from.filter(|from| !is_placeholder(&content[*from..]) && !content.starts_with('-') && !is_port)
    {
        found.push(range.start + from..range.end);
    }
}

/// The next argument and where the text goes on behind it; `None` where the command ends.
fn argument(text: &[u8], mut at: usize) -> Option<(Range<usize>, usize)> {
    at = until(text, at, |byte| !matches!(byte, b' ' | b'\t' | b'\x0c' | b',' | b'[' | b']'));
    let open = sign(text, at)?;
    // A backtick ends a command that is quoted in Markdown.
    if is_quote(open) && open.is != b'`' {
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
