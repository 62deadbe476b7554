//! `cargo xtask tidy`: what no compiler checks.
//!
//! A file for each kind of check, with its list of exceptions beside it, which may only shrink: an
//! exception that is no longer needed is an error too.

mod dependencies;
mod files;
mod names;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::checkout;

/// Folders that hold nothing we wrote.
const NOT_OURS: [&str; 6] = [".git", "target", ".peers", "node_modules", "__pycache__", "corpus"];

/// Checks the whole repository.
///
/// # Errors
/// Lists every fault.
pub(crate) fn run() -> Result<()> {
    let root = checkout::root();
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    let mut definitions = names::Definitions::default();
    let mut documents = Vec::new();
    for path in sources(root)? {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        files::check(&name, &text, &mut faults, &mut warnings);
        definitions.note(&name, &text);
        if name == "Cargo.toml" {
            dependencies::check_reasons(&text, &mut faults);
        } else if let Some(folder) = crate_folder(&name) {
            dependencies::check_arrows(folder, &text, &mut faults);
        } else if name.ends_with(".md") {
            documents.push((name, text));
        }
    }
    for (name, text) in documents {
        names::check(&name, &text, &definitions, |path| root.join(path).exists(), &mut faults);
    }
    for warning in &warnings {
        println!("tidy: warning: {warning}");
    }
    if faults.is_empty() {
        println!("tidy: no faults, {} warnings", warnings.len());
        return Ok(());
    }
    bail!("{} faults:\n{}", faults.len(), faults.join("\n"))
}

/// The folder of the crate whose manifest this is.
fn crate_folder(name: &str) -> Option<&str> {
    let folder = name.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
    (!folder.contains('/')).then_some(folder)
}

/// All text files that people write.
fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let list = fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
    for entry in list {
        let path = entry.context("list a folder")?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() || NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if files::is_ours(&name) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
