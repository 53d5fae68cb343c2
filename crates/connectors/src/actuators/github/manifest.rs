//! Changing one value of a Kubernetes manifest: the line that it stands on and nothing else, so that comments, order and
//! layout stay as people wrote them. The result is read again; if it is not exactly what was to become of it, nothing is
//! changed.

use midwatch_model::action::FileChange;
use serde_json::Value;

/// Documents of one file that are looked through.
const DOCUMENTS_MAX: usize = 200;

/// One way down into a document.
#[derive(Clone, Debug)]
enum Down {
    Key(&'static str),
    Item(usize),
}

/// A block of lines: a mapping or an item of a sequence.
#[derive(Clone, Copy, Debug)]
struct Block {
    from: usize,
    /// After its last line.
    to: usize,
    /// Where its keys begin.
    column: usize,
}

/// The text with the change made; `None` where it is so already.
///
/// # Errors
/// Why it cannot be done, as the end of a sentence.
pub(super) fn edit(text: &str, workload: &str, change: &FileChange) -> Result<Option<String>, String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (from, to) in documents(&lines) {
        let before = read(&lines[from..to].concat());
        let is_it = before.as_ref().is_some_and(|value| {
            let kind = value["kind"].as_str().unwrap_or_default();
            ["Deployment", "StatefulSet"].contains(&kind) && value["metadata"]["name"] == workload
        });
        let Some(before) = before.filter(|_| is_it) else { continue };
        let mut document: Vec<String> = lines[from..to].iter().map(|line| (*line).to_owned()).collect();
        let mut wanted = before.clone();
        for (path, value) in values(&before, change)? {
            put(&mut wanted, &path, &value);
            set(&mut document, &path, &value)?;
        }
        if same(&before, &wanted) {
            return Ok(None);
        }
        let edited = document.concat();
        if !read(&edited).is_some_and(|after| same(&after, &wanted)) {
            return Err("is written in a way that cannot be changed line by line".to_owned());
        }
        let around = |part: &[&str]| part.concat();
        return Ok(Some(format!("{}{edited}{}", around(&lines[..from]), around(&lines[to..]))));
    }
    Err(format!("has no Deployment or StatefulSet named {workload}"))
}

/// The first and the last line of each document.
fn documents(lines: &[&str]) -> Vec<(usize, usize)> {
    let breaks = lines.iter().enumerate().filter(|(_, line)| line.trim_end() == "---").map(|(at, _)| at);
    let mut starts: Vec<usize> = std::iter::once(0).chain(breaks.map(|at| at + 1)).collect();
    starts.truncate(DOCUMENTS_MAX);
    let ends = starts.iter().skip(1).map(|start| start - 1).chain([lines.len()]);
    starts.iter().copied().zip(ends).collect()
}

fn read(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok()
}

/// What has to be set where.
fn values(document: &Value, change: &FileChange) -> Result<Vec<(Vec<Down>, String)>, String> {
    let spec = [Down::Key("spec"), Down::Key("template"), Down::Key("spec"), Down::Key("containers")];
    let of_container = |name: &Option<String>, rest: &[&'static str]| {
        let path = spec.iter().cloned().chain([Down::Item(container(document, name.as_deref())?)]);
        Ok::<_, String>(path.chain(rest.iter().map(|key| Down::Key(key))).collect::<Vec<_>>())
    };
    Ok(match change {
        FileChange::Replicas { replicas } => {
            vec![(vec![Down::Key("spec"), Down::Key("replicas")], replicas.to_string())]
        }
        FileChange::Image { container, image } => {
            vec![(of_container(container, &["image"])?, image.clone())]
        }
        FileChange::Resources { container, resources } => {
            let all = [
                ("requests", "cpu", &resources.cpu_request),
                ("requests", "memory", &resources.memory_request),
                ("limits", "cpu", &resources.cpu_limit),
                ("limits", "memory", &resources.memory_limit),
            ];
            let named = all.into_iter().filter_map(|(kind, what, value)| Some((kind, what, value.clone()?)));
            named
                .map(|(kind, what, value)| Ok((of_container(container, &["resources", kind, what])?, value)))
                .collect::<Result<_, String>>()?
        }
    })
}

fn container(document: &Value, name: Option<&str>) -> Result<usize, String> {
    let all = document["spec"]["template"]["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
    match name {
        Some(name) => all.iter().position(|one| one["name"] == name),
        None if all.len() == 1 => Some(0),
        None => None,
    }
    .ok_or_else(|| format!("has no container {}", name.unwrap_or("of which there is only one")))
}

fn put(document: &mut Value, path: &[Down], value: &str) {
    let mut place = document;
    for down in path {
        place = match down {
            Down::Key(key) => {
                if place.is_null() {
                    *place = Value::Object(serde_json::Map::new());
                }
                &mut place[*key]
            }
            Down::Item(at) => &mut place[*at],
        };
    }
    *place = Value::String(value.to_owned());
}

/// Whether two documents say the same: `4` and `"4"` do.
fn same(a: &Value, b: &Value) -> bool {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => a == b || scalar(a).is_some_and(|a| scalar(b) == Some(a)),
    }
}

/// Sets a value: in place, or on a line of its own at the end of the block that it belongs to.
fn set(lines: &mut Vec<String>, path: &[Down], value: &str) -> Result<(), String> {
    let odd = || "is written in a way that cannot be changed line by line".to_owned();
    let mut work: Vec<String> = lines.clone();
    let mut block = block_of(&work, 0, work.len()).ok_or_else(odd)?;
    for (depth, down) in path.iter().enumerate() {
        let is_last = depth + 1 == path.len();
        match down {
            Down::Item(at) => block = item(&mut work, block, *at).ok_or_else(odd)?,
            Down::Key(key) => match find(&work, block, key) {
                Some(line) if is_last => {
                    lines[line] = with_value(&lines[line], block.column, key, value).ok_or_else(odd)?;
                    return Ok(());
                }
                Some(line) => {
                    let end = end_of(&work, line, block);
                    block = block_of(&work, line + 1, end).ok_or_else(odd)?;
                }
                None => {
                    let missing: Vec<&str> = path[depth..].iter().filter_map(key_of).collect();
                    return add(lines, &work, block, &missing, value).ok_or_else(odd);
                }
            },
        }
    }
    Err(odd())
}

fn key_of(down: &Down) -> Option<&str> {
    match down {
        Down::Key(key) => Some(key),
        Down::Item(_) => None,
    }
}

fn is_content(line: &str) -> bool {
    let text = line.trim();
    !text.is_empty() && !text.starts_with('#')
}

fn column(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The block that begins with the first line that says something.
fn block_of(lines: &[String], from: usize, to: usize) -> Option<Block> {
    let first = (from..to).find(|at| is_content(&lines[*at]))?;
    Some(Block { from: first, to, column: column(&lines[first]) })
}

/// The line of a key.
fn find(lines: &[String], block: Block, key: &str) -> Option<usize> {
    (block.from..block.to).find(|at| {
        let line = &lines[*at];
        is_content(line)
            && column(line) == block.column
            && line[block.column..].strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
    })
}

/// After the last line of what belongs to the key on `line`. A sequence may stand as far left as its key.
fn end_of(lines: &[String], line: usize, block: Block) -> usize {
    let belongs = |text: &str| {
        column(text) > block.column || (column(text) == block.column && text.trim_start().starts_with("- "))
    };
    (line + 1..block.to).find(|at| is_content(&lines[*at]) && !belongs(&lines[*at])).unwrap_or(block.to)
}

/// An item of a sequence as a block of its own: its dash becomes a blank.
fn item(lines: &mut [String], block: Block, at: usize) -> Option<Block> {
    let starts: Vec<usize> = (block.from..block.to)
        .filter(|line| {
            column(&lines[*line]) == block.column && lines[*line][block.column..].starts_with("- ")
        })
        .collect();
    let from = *starts.get(at)?;
    let to = starts.get(at + 1).copied().unwrap_or(block.to);
    lines[from].replace_range(block.column..=block.column, " ");
    block_of(lines, from, to)
}

/// The line with another value: its quotes and what stands after it are kept.
fn with_value(line: &str, column: usize, key: &str, value: &str) -> Option<String> {
    // The line may have a dash where the block has a blank.
    let after = column + key.len() + 1;
    let rest = line.get(after..)?;
    let blank = rest.len() - rest.trim_start_matches(' ').len();
    let body = rest[blank..].trim_end_matches(['\n', '\r']);
    let end = match body.chars().next() {
        Some(quote @ ('"' | '\'')) => body[1..].find(quote).map(|at| at + 2)?,
        // A block, an anchor, an alias or a collection is more than one value on one line.
        Some('{' | '[' | '|' | '>' | '&' | '*' | '!') | None => return None,
        Some(_) => body.find(" #").unwrap_or(body.len()),
    };
    let old = body[..end].trim_end();
    let quote = old.chars().next().filter(|c| ['"', '\''].contains(c)).map(String::from).unwrap_or_default();
    let (before, behind) = (&line[..after + blank], &rest[blank + old.len()..]);
    Some(format!("{before}{quote}{value}{quote}{behind}"))
}

/// Adds keys that are missing at the end of their block.
fn add(lines: &mut Vec<String>, work: &[String], block: Block, missing: &[&str], value: &str) -> Option<()> {
    let last = (block.from..block.to).rev().find(|at| is_content(&work[*at]))?;
    if !lines[last].ends_with('\n') {
        lines[last].push('\n');
    }
    let (name, above) = missing.split_last()?;
    let indent = |depth: usize| " ".repeat(block.column + 2 * depth);
    let mut added: Vec<String> =
        above.iter().enumerate().map(|(depth, key)| format!("{}{key}:\n", indent(depth))).collect();
    added.push(format!("{}{name}: {value}\n", indent(above.len())));
    lines.splice(last + 1..last + 1, added);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::action::Resources;

    const MANIFEST: &str = "# The till.\napiVersion: v1\nkind: Service\nmetadata: {name: pay}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n    name: pay   # as it is called\n    labels: {app: pay}\nspec:\n    replicas: 2   # two are enough on a weekday\n    selector:\n        matchLabels: {app: pay}\n    template:\n        spec:\n            containers:\n            - name: proxy\n              image: \"proxy:1.2\"\n            # The service itself.\n            - image: 'pay:v2' # pinned\n              name: pay\n              resources:\n                  limits:\n                      memory: 256Mi\n              env:\n              - name: replicas\n                value: \"7\"\n---\nkind: Deployment\nmetadata:\n    name: other\nspec:\n    replicas: 9\n";

    fn changed(change: &FileChange) -> Vec<(String, String)> {
        let edited = edit(MANIFEST, "pay", change).expect("it can be edited").expect("it changes");
        let (before, after): (Vec<&str>, Vec<&str>) = (MANIFEST.lines().collect(), edited.lines().collect());
        if before.len() == after.len() {
            let pairs = before.into_iter().zip(after).filter(|(a, b)| a != b);
            return pairs.map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned())).collect();
        }
        // Lines were only added: what is not the next one of before is new.
        let mut old = before.into_iter().peekable();
        let new = after.into_iter().filter(|line| old.next_if_eq(line).is_none());
        new.map(|line| (String::new(), line.trim().to_owned())).collect()
    }

    #[test]
    fn one_line_changes_and_comments_stay() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            changed(&FileChange::Replicas { replicas: 4 }),
            [pair(
                "replicas: 2   # two are enough on a weekday",
                "replicas: 4   # two are enough on a weekday"
            )]
        );
        let image = FileChange::Image { container: Some("pay".into()), image: "pay:v1".into() };
        assert_eq!(changed(&image), [pair("- image: 'pay:v2' # pinned", "- image: 'pay:v1' # pinned")]);
        let image = FileChange::Image { container: Some("proxy".into()), image: "proxy:1.3".into() };
        assert_eq!(changed(&image), [pair("image: \"proxy:1.2\"", "image: \"proxy:1.3\"")]);
        let memory = Resources { memory_limit: Some("512Mi".into()), ..Resources::default() };
        let memory = FileChange::Resources { container: Some("pay".into()), resources: memory };
        assert_eq!(changed(&memory), [pair("memory: 256Mi", "memory: 512Mi")]);
    }

    #[test]
    fn what_is_missing_is_added_where_it_belongs() {
        let cpu = Resources {
            cpu_limit: Some("500m".into()),
            cpu_request: Some("100m".into()),
            ..Resources::default()
        };
        let of = |container: &str| FileChange::Resources {
            container: Some(container.into()),
            resources: cpu.clone(),
        };
        let new =
            |lines: &[&str]| lines.iter().map(|line| (String::new(), (*line).to_owned())).collect::<Vec<_>>();
        assert_eq!(changed(&of("pay")), new(&["cpu: 500m", "requests:", "cpu: 100m"]));
        assert_eq!(
            changed(&of("proxy")),
            new(&["resources:", "requests:", "cpu: 100m", "limits:", "cpu: 500m"])
        );
    }

    #[test]
    fn what_is_so_already_or_written_otherwise_is_left_alone() {
        let two = FileChange::Replicas { replicas: 2 };
        assert_eq!(edit(MANIFEST, "pay", &two), Ok(None));
        let four = FileChange::Replicas { replicas: 4 };
        for (text, part) in [
            ("kind: Deployment\nmetadata: {name: pay}\nspec: {replicas: 2}\n", "line by line"),
            ("kind: Deployment\nmetadata: {name: pay}\nspec:\n  replicas: &n 2\n", "line by line"),
            ("kind: Deployment\nmetadata: {name: pay}\nspec:\n  replicas: {{ .Values.replicas }}\n", ""),
            (
                "kind: Deployment\nmetadata: {name: pay-{{ .Release }}}\nspec:\n  replicas: 2\n",
                "no Deployment",
            ),
            ("kind: Deployment\nmetadata: {name: other}\nspec: {replicas: 2}\n", "named pay"),
            ("kind: [", "named pay"),
            ("", "named pay"),
        ] {
            let error = edit(text, "pay", &four).expect_err("it cannot be edited");
            assert!(error.contains(part), "{text}: {error}");
        }
        let no_container = FileChange::Image { container: None, image: "x".into() };
        assert!(edit(MANIFEST, "pay", &no_container).is_err_and(|error| error.contains("only one")));
    }

    #[test]
    fn windows_line_ends_and_a_missing_last_one_are_kept() {
        let four = FileChange::Replicas { replicas: 4 };
        let text = "kind: Deployment\r\nmetadata:\r\n  name: pay\r\nspec:\r\n  replicas: 2";
        let edited = edit(text, "pay", &four).expect("it can").expect("it changes");
        assert_eq!(edited, text.replace("replicas: 2", "replicas: 4"));
    }
}
