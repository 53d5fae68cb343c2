//! Workflows as people write them: YAML, in a file of its own or in a runbook between its prose.

use super::check::problems;
use midwatch_model::Workflow;

/// Longest YAML of a workflow, bytes.
pub const WORKFLOW_BYTES_MAX: usize = 64 << 10;

/// Nodes of YAML that a workflow may have, aliases followed: what is larger was made to hurt.
const NODES_MAX: usize = 20_000;

/// How steps that run begin in a runbook.
const FENCE: &str = "```yaml midwatch";

/// Why a workflow cannot be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct WorkflowError {
    /// The name under which it came.
    pub file: String,
    /// From 1.
    pub line: usize,
    pub problem: String,
}

/// Reads a file: `.yaml` and `.yml` are workflows, everything else is a runbook, which has steps or has none.
///
/// # Errors
/// Everything that is wrong, each with its line and the fix.
pub fn read(file: &str, text: &str) -> Result<Option<Workflow>, Vec<WorkflowError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let stem = file.rsplit('/').next().unwrap_or(file);
    let (stem, ending) = stem.rsplit_once('.').unwrap_or((stem, ""));
    let source = match ending {
        "yaml" | "yml" => Source { file, yaml: text.to_owned(), before: 0 },
        _ => match steps_of(file, text).map_err(|error| vec![error])? {
            Some(source) => source,
            None => return Ok(None),
        },
    };
    let mut workflow = source.parse().map_err(|error| vec![error])?;
    if workflow.name.is_empty() {
        stem.clone_into(&mut workflow.name);
    }
    if workflow.title.is_empty() {
        workflow.title = title(text).unwrap_or_else(|| workflow.name.clone());
    }
    let wrong: Vec<WorkflowError> =
        problems(&workflow).into_iter().map(|(step, problem)| source.wrong_step(step, problem)).collect();
    if wrong.is_empty() { Ok(Some(workflow)) } else { Err(wrong) }
}

/// YAML and where it stands.
struct Source<'a> {
    file: &'a str,
    yaml: String,
    /// Lines of the file before it.
    before: usize,
}

impl Source<'_> {
    fn wrong(&self, line: usize, problem: String) -> WorkflowError {
        WorkflowError { file: self.file.to_owned(), line: self.before + line, problem }
    }

    fn parse(&self) -> Result<Workflow, WorkflowError> {
        if self.yaml.len() > WORKFLOW_BYTES_MAX {
            let kib = WORKFLOW_BYTES_MAX >> 10;
            return Err(self.wrong(1, format!("the workflow is longer than {kib} KiB; split it")));
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_nodes: NODES_MAX, max_depth: 32, max_anchors: 16, max_aliases: 64 },
        };
        serde_saphyr::from_str_with_options(&self.yaml, options).map_err(|error: serde_saphyr::Error| {
            let line = error.location().map_or(1, |at| usize::try_from(at.line()).unwrap_or(1)).max(1);
            let said = error.without_snippet().to_string();
            let said = said.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
            self.wrong(line, format!("{said}; docs/runbooks.md says what a workflow is made of"))
        })
    }

    /// At the step, or at the top.
    fn wrong_step(&self, step: Option<String>, problem: String) -> WorkflowError {
        let is_it = |line: &str, id: &str| {
            let line = line.trim_start().trim_start_matches(['-', ' ', '{']);
            line.strip_prefix("id:").is_some_and(|rest| {
                rest.split([',', '}', '#']).next().unwrap_or_default().trim().trim_matches(['"', '\'']) == id
            })
        };
        let line = step.as_deref().and_then(|id| self.yaml.lines().position(|line| is_it(line, id)));
        let place = step.map_or_else(String::new, |id| format!("step `{id}`: "));
        self.wrong(line.map_or(1, |line| line + 1), format!("{place}{problem}"))
    }
}

/// The steps of a runbook.
fn steps_of<'a>(file: &'a str, text: &str) -> Result<Option<Source<'a>>, WorkflowError> {
    let wrong = |line: usize, problem: &str| WorkflowError {
        file: file.to_owned(),
        line,
        problem: problem.to_owned(),
    };
    let mut found: Option<Source<'a>> = None;
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let is_fence = line.trim_end() == FENCE;
        if open {
            if line.trim_end() == "```" {
                open = false;
            } else if let Some(source) = &mut found {
                source.yaml.push_str(line);
                source.yaml.push('\n');
            }
        } else if is_fence && found.is_some() {
            return Err(wrong(index + 1, "a runbook has its steps in one place; put these to the others"));
        } else if is_fence {
            found = Some(Source { file, yaml: String::new(), before: index + 1 });
            open = true;
        }
    }
    match (&found, open) {
        (Some(source), true) => {
            Err(wrong(source.before, "the steps have no end; close them with a line of three backticks"))
        }
        _ => Ok(found),
    }
}

/// The title of a runbook: as its fields say, else its first heading.
fn title(text: &str) -> Option<String> {
    let given = || text.lines().take(40).find_map(|line| line.strip_prefix("title:"));
    let heading = || text.lines().find_map(|line| line.strip_prefix("# "));
    let title = if text.starts_with("---\n") { given().or_else(heading) } else { heading() }?;
    Some(title.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name: a\ntrigger: { causes: [memory_leak] }\nsteps:\n  - id: see\n    look: state\n  - id: more\n    \
                        act: { action: scale, replicas: \"= steps.see.replicas + 1\" }\n";

    /// What a workflow that cannot be used is answered with: line and part of the sentence.
    fn check(file: &str, text: &str, line: usize, says: &str) {
        let errors = read(file, text).expect_err(says);
        let fits = |e: &WorkflowError| e.line == line && e.problem.contains(says);
        assert!(errors.iter().any(fits), "{file}:{line} {says}: {errors:?}");
    }

    #[test]
    fn a_workflow_is_read_from_yaml_and_from_between_prose() {
        let workflow = read("x/b.yaml", GOOD).expect("good").expect("steps");
        assert_eq!((workflow.name.as_str(), workflow.steps.len()), ("a", 2));
        let page = format!("---\ntitle: Disk\n---\n## Steps\n```yaml midwatch\n{GOOD}```\nmore prose\n");
        let workflow = read("x/b.md", &page).expect("good").expect("steps");
        assert_eq!((workflow.name.as_str(), workflow.title.as_str()), ("a", "Disk"));
        assert_eq!(read("x/b.md", "# Only prose\n```yaml\na: b\n```\n"), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_said_with_file_line_and_fix() {
        check("a.yaml", &GOOD.replace("look: state", "lookk: state"), 5, "lookk");
        check("a.yaml", &GOOD.replace("scale", "explode"), 7, "explode");
        check("a.yaml", &GOOD.replace("id: more", "id: see"), 4, "twice");
        check("a.yaml", &GOOD.replace("steps.see", "steps.sea"), 6, "sea");
        check("a.yaml", &GOOD.replace("see.replicas + 1", "see.detail"), 6, "must not decide");
        check("a.yaml", &GOOD.replace(", replicas: \"= steps.see.replicas + 1\"", ""), 6, "needs `replicas`");
        check("a.yaml", &GOOD.replace("look: state", "wait_s: 0"), 4, "wait_s");
        check("a.yaml", "name: a\nsteps: []\n", 1, "no steps");
        check("a.yaml", "steps: [\n", 1, "");
        check("a.md", "# T\n```yaml midwatch\nname: a\n", 2, "no end");
        let page = format!("p\n\n```yaml midwatch\n{}```\n", GOOD.replace("look: state", "lookk: state"));
        check("a.md", &page, 8, "lookk");
        let two = format!("```yaml midwatch\n{GOOD}```\n```yaml midwatch\n{GOOD}```\n");
        check("a.md", &two, 10, "one place");
    }

    #[test]
    fn hostile_yaml_is_refused_quickly() {
        let huge = format!("name: a\ntitle: {}\nsteps: []\n", "x".repeat(WORKFLOW_BYTES_MAX));
        check("a.yaml", &huge, 1, "64 KiB");
        let mut bomb = "name: a\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let alias = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
        }
        assert!(read("a.yaml", &format!("{bomb}steps: *a11\n")).is_err());
        let deep = format!("name: a\nsteps: {}{}\n", "[".repeat(5_000), "]".repeat(5_000));
        assert!(read("a.yaml", &deep).is_err());
        let many: String = (0..2_000).map(|n| format!("  - {{ id: s{n}, wait_s: 1 }}\n")).collect();
        assert!(read("a.yaml", &format!("name: a\nsteps:\n{many}")).is_err());
        assert!(read("a.yaml", "name: a\nname: b\nsteps: []\n").is_err(), "a field that is there twice");
        for text in ["", "\0", "- a\n", "!!python/object:os.system rm", "name: {{ a }}\n", "%YAML 9.9\n---\n"]
        {
            assert!(read("a.yaml", text).is_err(), "{text:?}");
        }
    }
}
