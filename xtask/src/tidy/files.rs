//! Sizes, widths and words of single files.

/// From here on a file wants a reason.
const LINES_WARN: usize = 500;
/// A file longer than this is two files in one.
const LINES_MAX: usize = 800;
const COLUMNS_MAX: usize = 100;

/// Files that were too long when the rule came. May only shrink.
const LONG_FILES: [&str; 0] = [];

/// What may not stand in Rust code, and what to do instead. Written in pieces, so that this file
/// does not name itself.
const BANNED: [(&str, &str); 5] = [
    (concat!("todo", "!("), "write it, or leave it out"),
    (concat!("unimpl", "emented!("), "write it, or leave it out"),
    (concat!("dbg", "!("), "remove it"),
    (concat!("#[ig", "nore"), "choose slow tests by an environment variable"),
    (concat!("FIX", "ME"), "fix it, or open an issue"),
];
const UNWRAP: &str = concat!(".unw", "rap()");

/// Paths that exist on one machine only.
const PRIVATE_PATHS: [&str; 3] =
    [concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Whether the file is text that people write.
pub(super) fn is_ours(name: &str) -> bool {
    let endings = [".rs", ".toml", ".md", ".py", ".js", ".txt", ".yml", ".yaml", ".sh", ".json"];
    endings.iter().any(|ending| name.ends_with(ending)) || name == "run"
}

/// Checks one file.
pub(super) fn check(name: &str, text: &str, faults: &mut Vec<String>, warnings: &mut Vec<String>) {
    for (i, line) in text.lines().enumerate() {
        if let Some(path) = PRIVATE_PATHS.iter().find(|path| names_path(line, path)) {
            faults.push(format!("{name}:{}: a path of one machine, {path}", i + 1));
        }
    }
    if name.ends_with(".rs") {
        check_length(name, text, faults, warnings);
        check_rust(name, text, faults);
    }
}

/// Whether an absolute path starts so; inside an address or a longer path the letters are harmless.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "\"'`(=:<".contains(c))
    })
}

fn check_length(name: &str, text: &str, faults: &mut Vec<String>, warnings: &mut Vec<String>) {
    let lines = text.lines().count();
    let allowed = LONG_FILES.contains(&name);
    if lines > LINES_MAX && !allowed {
        faults.push(format!("{name}: {lines} lines, more than {LINES_MAX}: split it"));
    } else if lines <= LINES_MAX && allowed {
        faults.push(format!("{name}: is short enough now, take it off the list of long files"));
    } else if lines > LINES_WARN {
        warnings.push(format!("{name}: {lines} lines, more than {LINES_WARN}"));
    }
}

fn check_rust(name: &str, text: &str, faults: &mut Vec<String>) {
    let mut in_tests = is_test_file(name);
    for (i, line) in text.lines().enumerate() {
        let at = i + 1;
        in_tests |= line.trim_start().starts_with("#[cfg(test)]");
        let columns = line.chars().count();
        // What cannot be broken: strings, addresses and rows of tables.
        let breakable = !["\"", "://", "//! |", "/// |"].iter().any(|part| line.contains(part));
        if columns > COLUMNS_MAX && breakable {
            faults.push(format!("{name}:{at}: {columns} columns, more than {COLUMNS_MAX}"));
        }
        for (word, instead) in BANNED {
            if line.contains(word) {
                faults.push(format!("{name}:{at}: {word}: {instead}"));
            }
        }
        let comment = line.trim_start().starts_with("//");
        if line.contains(UNWRAP) && !in_tests && !comment {
            faults.push(format!("{name}:{at}: {UNWRAP}: say with `expect` why it holds"));
        }
    }
}

fn is_test_file(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.contains("/benches/")
}

#[cfg(test)]
mod tests {
    use super::{BANNED, UNWRAP, check};

    fn faults(name: &str, text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        check(name, text, &mut faults, &mut Vec::new());
        faults
    }

    #[test]
    fn every_banned_word_is_found() {
        for (word, _) in BANNED {
            assert_eq!(faults("a.rs", &format!("fn f() {{ {word} }}")).len(), 1, "{word}");
        }
    }

    #[test]
    fn unwrap_is_for_tests() {
        let code = format!("let a = b{UNWRAP};\n");
        assert_eq!(faults("crates/a/src/lib.rs", &code).len(), 1);
        assert!(faults("crates/a/tests/it.rs", &code).is_empty());
        assert!(faults("crates/a/src/lib.rs", &format!("#[cfg(test)]\n{code}")).is_empty());
    }

    #[test]
    fn long_files_and_lines_are_faults() {
        assert_eq!(faults("a.rs", &"\n".repeat(801)).len(), 1);
        assert_eq!(faults("a.rs", &"x".repeat(101)).len(), 1);
        assert!(faults("a.rs", &format!("let a = \"{}\";", "x".repeat(101))).is_empty());
        let mut warnings = Vec::new();
        check("a.rs", &"\n".repeat(501), &mut Vec::new(), &mut warnings);
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn paths_of_one_machine_are_faults() {
        let home = concat!("/ho", "me/me");
        assert_eq!(faults("a.md", &format!("see {home}")).len(), 1);
        assert!(faults("a.md", &format!("see https://host{home}")).is_empty());
    }
}
