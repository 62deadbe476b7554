//! Which crate may depend on which, and why each dependency is there.

/// What a crate may depend on among ours; a crate that is not listed is free.
const ARROWS: [(&str, &[&str]); 8] = [
    ("model", &[]),
    ("log", &[]),
    ("resp", &[]),
    ("engine", &["model", "log"]),
    ("command", &["engine", "model", "resp"]),
    ("acl", &["command"]),
    ("runtime", &["command", "engine"]),
    ("server", &["acl", "runtime", "command", "engine", "model", "log", "resp", "dashboard"]),
];

/// Below the server nothing may know of the asynchronous runtime.
const RUNTIME: &str = "tokio";

/// Nothing but the binary may depend on the server, and what asks its dashboard arbitrary things.
const SERVER: &str = "server";
const SERVER_USERS: [&str; 2] = ["cli", "inputs"];

/// Checks the manifest of one crate, `folder` below `crates/`.
pub(super) fn check_arrows(folder: &str, manifest: &str, faults: &mut Vec<String>) {
    let allowed = ARROWS.iter().find(|(name, _)| *name == folder).map(|(_, to)| *to);
    for dependency in dependencies(manifest) {
        let ours = dependency.strip_prefix("millstream-");
        let forbidden = match (ours, allowed) {
            (Some(to), Some(allowed)) => !allowed.contains(&to),
            (None, Some(_)) => dependency == RUNTIME && folder != SERVER,
            _ => false,
        };
        let server = ours == Some(SERVER) && !SERVER_USERS.contains(&folder);
        if forbidden || server {
            faults.push(format!("crates/{folder}/Cargo.toml: may not depend on {dependency}"));
        }
    }
}

/// Checks that each foreign dependency in the root manifest has a comment above it or above the
/// line before it.
pub(super) fn check_reasons(manifest: &str, faults: &mut Vec<String>) {
    let section = section_lines(manifest, "[workspace.dependencies]");
    let mut reason = false;
    for (number, line) in section {
        if line.starts_with('#') {
            reason = true;
        } else if line.is_empty() {
            reason = false;
        } else if line.contains('=') {
            let own = line.starts_with("millstream-");
            // Two halves of one thing, such as serde and its format, share the line above.
            if !own && !reason {
                faults.push(format!("Cargo.toml:{number}: no reason above: {line}"));
            }
        }
    }
}

/// Names under `[dependencies]`, and under the sections of single targets; what only tests need is
/// free.
fn dependencies(manifest: &str) -> Vec<&str> {
    section_lines(manifest, "dependencies]")
        .into_iter()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|(_, line)| line.split([' ', '=', '.']).next())
        .collect()
}

/// Lines of the sections whose header ends so, but for those of tests and build scripts.
fn section_lines<'a>(manifest: &'a str, header: &str) -> Vec<(usize, &'a str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (i, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line.ends_with(header) && !line.contains("dev-") && !line.contains("build-");
        } else if inside {
            lines.push((i + 1, line));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{check_arrows, check_reasons};

    fn arrows(folder: &str, manifest: &str) -> usize {
        let mut faults = Vec::new();
        check_arrows(folder, manifest, &mut faults);
        faults.len()
    }

    #[test]
    fn forbidden_arrows_are_faults() {
        let on = |dependency: &str| {
            format!("[package]\n[dependencies]\n{dependency}.workspace = true\n")
        };
        assert_eq!(arrows("model", &on("millstream-log")), 1);
        assert_eq!(arrows("log", &on("millstream-model")), 1);
        assert_eq!(arrows("engine", &on("tokio")), 1);
        assert_eq!(arrows("runtime", &on("tokio")), 1);
        assert_eq!(arrows("bench", &on("millstream-server")), 1);
        assert_eq!(arrows("engine", &on("millstream-model")), 0);
        assert_eq!(arrows("server", &on("tokio")), 0);
        assert_eq!(arrows("cli", &on("millstream-server")), 0);
        assert_eq!(arrows("model", "[dev-dependencies]\ntokio = \"1\"\n"), 0);
        assert_eq!(arrows("engine", "[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n"), 1);
    }

    #[test]
    fn every_dependency_has_a_reason() {
        let mut faults = Vec::new();
        let good =
            "[workspace.dependencies]\nmillstream-log = { path = \"x\" }\n\n# Why.\na = \"1\"\n";
        check_reasons(good, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        check_reasons(&format!("{good}\nb = \"1\"\n"), &mut faults);
        assert_eq!(faults.len(), 1);
    }
}
