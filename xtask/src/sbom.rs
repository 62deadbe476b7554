//! `cargo xtask sbom`: what the program is made of, as CycloneDX, by cargo-cyclonedx.
//!
//! It builds the program for release, and says by a hash which file it is of. In the list is what
//! the crate of the binary needs on this system, without what only tests and builds use. The list
//! is held against the format's own schema, and against what must and must not be in it.

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::checkout;

const VERSION: &str = "0.5.9";
/// The check of the format, by its makers.
const VALIDATOR: &str = "cyclonedx-python-lib[json-validation]==11.12.0";
/// Some that are in the program, and some that only tests use.
const WITHIN: [&str; 4] = ["tokio", "rustls", "redis", "millstream-engine"];
const OUTSIDE: [&str; 4] = ["proptest", "rcgen", "vt100", "tempfile"];

/// # Errors
/// It cannot be made, or it is not as it must be.
pub(crate) fn run() -> Result<()> {
    // By the lock file as it stands, which the list is made from.
    let mut build = checkout::cargo();
    build.args(["build", "--release", "--locked", "--package", "millstream-cli"]);
    checkout::run(&mut build).context("build the program")?;
    let program = checkout::target_dir().join("release/millstream");
    let hash = sha256(&program).with_context(|| format!("hash {}", program.display()))?;
    let text = with_hash(&list()?, &hash)?;
    let place = checkout::target_dir().join("sbom");
    fs::create_dir_all(&place).context("create a directory")?;
    let file = place.join("millstream.cdx.json");
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    validate(&file, &hash)?;
    println!("sbom: {}, of {} (SHA-256 {hash})", file.display(), program.display());
    Ok(())
}

/// What the program is made of.
fn list() -> Result<String> {
    let manifest = checkout::root().join("crates/cli/Cargo.toml");
    let mut make = Command::new(cargo_cyclonedx()?);
    make.current_dir(checkout::root()).arg("cyclonedx").arg("--manifest-path").arg(&manifest);
    make.args(["--format", "json", "--spec-version", "1.5", "--no-build-deps"]);
    let target = format!("{ARCH}-unknown-linux-gnu");
    make.args(["--target", &target, "--override-filename", "millstream.cdx"]);
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
    Ok(text)
}

/// By the program that whoever has the file will check it with.
fn sha256(file: &Path) -> Result<String> {
    let contents = File::open(file).context("open it")?;
    let output = Command::new("sha256sum").stdin(contents).output().context("run sha256sum")?;
    ensure!(output.status.success(), "sha256sum ended with {}", output.status);
    let text = String::from_utf8(output.stdout).context("sha256sum writes text")?;
    let hash = text.split_whitespace().next().unwrap_or_default();
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(is_hash, "sha256sum wrote {text}");
    Ok(hash.to_owned())
}

/// The list with the hash of the program in what it says of it.
fn with_hash(list: &str, hash: &str) -> Result<String> {
    const METADATA: &str = "\"metadata\": {";
    const COMPONENT: &str = "\"component\": {";
    let metadata = list.find(METADATA).context("the list does not say what it is of")?;
    let component = list[metadata..].find(COMPONENT).context("the list has no component")?;
    let (before, after) = list.split_at(metadata + component + COMPONENT.len());
    let entry = format!(r#"{{ "alg": "SHA-256", "content": "{hash}" }}"#);
    Ok(format!("{before}\n      \"hashes\": [{entry}],{after}"))
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

/// Holds it against the schema of the format, and sees that the hash is where readers look for it.
fn validate(file: &Path, hash: &str) -> Result<()> {
    let home = checkout::target_dir().join("sbom-venv");
    let python = home.join("bin/python");
    if !python.is_file() {
        checkout::run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    }
    let mut install = Command::new(&python);
    checkout::run(install.args(["-m", "pip", "install", "--quiet", VALIDATOR]))?;
    let program = "import json, pathlib, sys\n\
                   from cyclonedx.schema import SchemaVersion\n\
                   from cyclonedx.validation.json import JsonStrictValidator\n\
                   text = pathlib.Path(sys.argv[1]).read_text()\n\
                   hashes = json.loads(text)['metadata']['component']['hashes']\n\
                   assert hashes == [{'alg': 'SHA-256', 'content': sys.argv[2]}], hashes\n\
                   sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(text))\n";
    let mut check = Command::new(&python);
    checkout::run(check.args(["-c", program]).arg(file).arg(hash)).context("it is not valid")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{sha256, with_hash};

    #[test]
    fn the_hash_is_that_of_the_file() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(Path::new("/dev/null")).expect("it is read"), empty);
        assert!(sha256(Path::new("/nowhere/millstream")).is_err());
    }

    #[test]
    fn the_hash_is_in_what_the_list_says_of_the_program_and_nowhere_else() {
        let list = "{\n  \"components\": [{\"component\": {}}],\n  \"metadata\": {\n    \
                    \"tools\": [],\n    \"component\": {\n      \"name\": \"m\"\n    }\n  }\n}";
        let hashes = r#""hashes": [{ "alg": "SHA-256", "content": "ab" }],"#;
        let component = "\"component\": {\n";
        let expected = list.replace(component, &format!("{component}      {hashes}\n"));
        assert_eq!(with_hash(list, "ab").expect("it says what it is of"), expected);
        assert!(with_hash("{\"component\": {}}", "ab").is_err());
        assert!(with_hash("{\"metadata\": {}}", "ab").is_err());
    }
}
