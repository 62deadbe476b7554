//! `cargo xtask sbom`: what the program is made of, as CycloneDX, by cargo-cyclonedx.
//!
//! Of the crate of the binary and the system that it is released for, without what only tests and
//! builds use. The file is held against the format's own schema, and against what must and must not
//! be in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::checkout;

const VERSION: &str = "0.5.9";
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The check of the format, by its makers.
const VALIDATOR: &str = "cyclonedx-python-lib[json-validation]==11.12.0";
/// Some that are in the program, and some that only tests use.
const WITHIN: [&str; 4] = ["tokio", "rustls", "redis", "millstream-engine"];
const OUTSIDE: [&str; 4] = ["proptest", "rcgen", "ureq", "tempfile"];

/// # Errors
/// It cannot be made, or it is not as it must be.
pub(crate) fn run() -> Result<()> {
    let manifest = checkout::root().join("crates/cli/Cargo.toml");
    let mut make = Command::new(cargo_cyclonedx()?);
    make.current_dir(checkout::root()).arg("cyclonedx").arg("--manifest-path").arg(&manifest);
    make.args(["--format", "json", "--spec-version", "1.5", "--no-build-deps"]);
    make.args(["--target", TARGET, "--override-filename", "millstream.cdx"]);
    checkout::run(&mut make)?;
    // It writes one beside the manifest of each crate of the workspace.
    let mut made = None;
    for folder in ["crates", "examples", "."] {
        for entry in fs::read_dir(checkout::root().join(folder)).context("list crates")? {
            let file = entry.context("list crates")?.path().join("millstream.cdx.json");
            if !file.is_file() {
                continue;
            }
            if file.parent() == manifest.parent() {
                made = Some(fs::read_to_string(&file).context("read the list")?);
            }
            fs::remove_file(&file).context("remove a list")?;
        }
    }
    let text = made.context("cargo-cyclonedx made no list of the program")?;
    // Where it was built is nobody's business.
    let text = text.replace(&checkout::root().display().to_string(), "/millstream");
    for name in WITHIN {
        ensure!(text.contains(&format!("\"name\": \"{name}\"")), "{name} is missing");
    }
    for name in OUTSIDE {
        ensure!(!text.contains(&format!("\"name\": \"{name}\"")), "{name} is only of tests");
    }
    let place = checkout::target_dir().join("sbom");
    fs::create_dir_all(&place).context("create a directory")?;
    let file = place.join("millstream.cdx.json");
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    validate(&file)?;
    println!("sbom: {}", file.display());
    Ok(())
}

/// Builds it if it is not there.
fn cargo_cyclonedx() -> Result<PathBuf> {
    let root = checkout::target_dir().join("tools");
    let executable = root.join("bin/cargo-cyclonedx");
    if !executable.is_file() {
        let mut install = checkout::cargo();
        install.args(["install", "--locked", "--root"]).arg(&root);
        install.args(["cargo-cyclonedx", "--version", VERSION]);
        checkout::run(&mut install).context("build cargo-cyclonedx")?;
    }
    Ok(executable)
}

/// Holds it against the schema of the format.
fn validate(file: &std::path::Path) -> Result<()> {
    let home = checkout::target_dir().join("sbom-venv");
    let python = home.join("bin/python");
    if !python.is_file() {
        checkout::run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    }
    let mut install = Command::new(&python);
    checkout::run(install.args(["-m", "pip", "install", "--quiet", VALIDATOR]))?;
    let program = "import pathlib, sys\n\
                   from cyclonedx.schema import SchemaVersion\n\
                   from cyclonedx.validation.json import JsonStrictValidator\n\
                   text = pathlib.Path(sys.argv[1]).read_text()\n\
                   sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(text))\n";
    checkout::run(Command::new(&python).args(["-c", program]).arg(file)).context("it is not valid")
}
