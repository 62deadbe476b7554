//! `cargo xtask release`: the program, built with a profile of its own work.
//!
//! An instrumented build runs all workloads of the bench; a second build lays out and inlines the
//! code by what was counted. What that brings stands in `docs/performance.md`. The result is
//! `target/profiled/millstream`; nothing of it is in any other build.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::checkout;

/// # Errors
/// `llvm-profdata` is not there, or a build or a run failed.
pub(crate) fn run() -> Result<()> {
    let compiler = Compiler::ask()?;
    // Before minutes of building.
    let merge = compiler.merge_program()?;
    let place = place();
    let raw = place.join("counters");
    if raw.exists() {
        fs::remove_dir_all(&raw).context("remove the counters of before")?;
    }
    fs::create_dir_all(&raw).context("create a directory")?;

    let mut build = checkout::cargo();
    checkout::run(build.args(["build", "--release", "--package", "millstream-bench"]))?;
    let instrumented =
        compiler.build(&place, "instrumented", &format!("-Cprofile-generate={}", text(&raw)?))?;
    let mut train = Command::new(checkout::target_dir().join("release/millstream-bench"));
    // One file of each program, which its processes add to.
    train.env("LLVM_PROFILE_FILE", raw.join("%m.profraw"));
    checkout::run(train.arg("train").arg("--program").arg(&instrumented))?;

    let merged = place.join("merged.profdata");
    checkout::run(Command::new(merge).arg("merge").arg("--output").arg(&merged).arg(&raw))?;
    // Cargo looks at the flag, not into the file: another profile needs another name.
    let mut hasher = DefaultHasher::new();
    fs::read(&merged).context("read the profile")?.hash(&mut hasher);
    let profile = place.join(format!("{:016x}.profdata", hasher.finish()));
    fs::rename(&merged, &profile).context("name the profile")?;
    let built =
        compiler.build(&place, "optimised", &format!("-Cprofile-use={}", text(&profile)?))?;
    let program = program();
    fs::copy(&built, &program).context("put the program where it is looked for")?;
    println!("release: {}", program.display());
    Ok(())
}

fn place() -> PathBuf {
    checkout::target_dir().join("profiled")
}

/// Where the program is put.
pub(crate) fn program() -> PathBuf {
    place().join("millstream")
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// What `rustc` says of itself.
struct Compiler {
    sysroot: PathBuf,
    host: String,
}

impl Compiler {
    fn ask() -> Result<Self> {
        let rustc = |arguments: &[&str]| {
            let output =
                Command::new("rustc").args(arguments).output().context("ask the compiler")?;
            ensure!(output.status.success(), "rustc ended with {}", output.status);
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let version = rustc(&["-vV"])?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc does not say what it runs on")?.to_owned();
        Ok(Self { sysroot: rustc(&["--print", "sysroot"])?.into(), host })
    }

    /// Counters are read by the tools of the compiler's own LLVM only.
    fn merge_program(&self) -> Result<PathBuf> {
        let program = self.sysroot.join("lib/rustlib").join(&self.host).join("bin/llvm-profdata");
        if !program.is_file() {
            bail!("llvm-profdata is missing: rustup component add llvm-tools");
        }
        Ok(program)
    }

    /// The program, built with one flag more, in a directory of that name.
    fn build(&self, place: &Path, name: &str, flag: &str) -> Result<PathBuf> {
        let target = place.join(name);
        let mut build = checkout::cargo();
        build.args(["build", "--release", "--locked", "--package", "millstream-cli"]);
        // With a target, the flag is not for what runs while it builds.
        build.args(["--target", &self.host]).arg("--target-dir").arg(&target);
        // In this form blanks in paths are none between flags.
        checkout::run(build.env("CARGO_ENCODED_RUSTFLAGS", flag))?;
        Ok(target.join(&self.host).join("release/millstream"))
    }
}
