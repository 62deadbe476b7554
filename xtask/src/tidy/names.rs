//! Whether what documents name is there: files, and in the map of the architecture items of code.
//!
//! A name is looked for by its spelling alone, anywhere in `crates/`: enough to notice that one was
//! renamed or removed, which is how documents come to lie.

use std::collections::HashSet;
use std::path::Path;

/// The document whose code spans must be defined.
const MAP: &str = "ARCHITECTURE.md";
/// What an item's name follows.
const KEYWORDS: [&str; 8] = ["fn", "struct", "enum", "trait", "mod", "type", "const", "static"];

/// The names of all items in `crates/`, of its folders too.
#[derive(Debug, Default)]
pub(super) struct Definitions(HashSet<String>);

impl Definitions {
    /// Notes what a file defines. Other files than those of crates are passed over.
    pub(super) fn note(&mut self, name: &str, text: &str) {
        let Some(inside) = name.strip_prefix("crates/").filter(|_| name.ends_with(".rs")) else {
            return;
        };
        self.0.extend(inside.split('/').next().map(str::to_owned));
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let words: Vec<_> = words(line).collect();
            let items = words.windows(2).filter(|pair| KEYWORDS.contains(&pair[0]));
            self.0.extend(items.map(|pair| pair[1].to_owned()));
            // Variants of enums stand at the start of a line.
            let first = words.first().filter(|word| word.starts_with(char::is_uppercase));
            self.0.extend(first.filter(|_| line.ends_with([',', '{', '('])).map(|&w| w.to_owned()));
        }
    }

    fn has_all(&self, span: &str) -> bool {
        words(span).all(|word| self.0.contains(word))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(move |c: char| !is_part(c)).filter(|word| !word.is_empty())
}

/// Checks one document; `exists` is asked for paths below the root.
pub(super) fn check(
    name: &str,
    text: &str,
    definitions: &Definitions,
    exists: impl Fn(&Path) -> bool,
    faults: &mut Vec<String>,
) {
    let mut is_fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        }
        if is_fenced {
            continue;
        }
        for span in line.split('`').skip(1).step_by(2) {
            let is_there = || exists(Path::new(span)) || exists(&Path::new("crates").join(span));
            if is_path(span) && !is_there() {
                faults.push(format!("{name}:{number}: there is no {span}"));
            }
            if name == MAP && is_item(span) && !definitions.has_all(span) {
                faults.push(format!("{name}:{number}: nothing in crates/ is called {span}"));
            }
        }
        let beside = Path::new(name).parent().unwrap_or(Path::new(""));
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let is_file = !link.contains("://") && !link.starts_with('#');
            if is_file && !exists(&beside.join(link)) {
                faults.push(format!("{name}:{number}: the link leads nowhere: {link}"));
            }
        }
    }
}

/// Whether a code span names one file or folder of ours in full.
fn is_path(span: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let starts = ["docs/", "tests/", "xtask/", "fuzz/", "crates/"];
    let is_source = span.contains("/src/") && !span.starts_with('/');
    span.chars().all(is_plain) && (is_source || starts.iter().any(|start| span.starts_with(start)))
}

/// Whether a code span names items of code: a path of modules, a call, or several words in one.
fn is_item(span: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_:()".contains(c);
    let looks_like_code = span.contains("::")
        || span.contains('_')
        || span.ends_with("()")
        || span.starts_with(char::is_uppercase);
    span.chars().all(is_plain) && looks_like_code
}

#[cfg(test)]
mod tests {
    use super::{Definitions, MAP, check};
    use std::path::Path;

    fn faults(name: &str, text: &str) -> Vec<String> {
        let mut definitions = Definitions::default();
        let code = "pub(crate) struct Engine;\nenum Reply {\n    Id(EntryId),\n}\nfn run_due() {\n";
        definitions.note("crates/engine/src/engine.rs", code);
        definitions.note("xtask/src/main.rs", "fn helper_of_xtask() {");
        let mut faults = Vec::new();
        let there =
            ["crates/engine/src/engine.rs", "docs/format.md", "docs/decisions/../format.md"];
        let exists = |path: &Path| there.iter().any(|known| Path::new(known) == path);
        check(name, text, &definitions, exists, &mut faults);
        faults
    }

    #[test]
    fn what_is_there_is_no_fault() {
        let text = "`Engine::run_due` and `engine::Engine`, `Reply::Id`, `check of words`,\n\
                    `engine/src/engine.rs`, [bytes](docs/format.md), [web](https://example.org)";
        assert_eq!(faults(MAP, text), [""; 0]);
        assert_eq!(faults("docs/decisions/1.md", "[bytes](../format.md)"), [""; 0]);
        assert_eq!(faults(MAP, "```text\n`Gone::gone`\n```"), [""; 0]);
    }

    #[test]
    fn a_name_that_was_removed_is_a_fault_in_the_map_alone() {
        for span in ["Engine::gone", "Gone", "gone_too", "gone()", "helper_of_xtask"] {
            let text = format!("first\nsee `{span}` there");
            let expected = format!("{MAP}:2: nothing in crates/ is called {span}");
            assert_eq!(faults(MAP, &text), [expected]);
            assert_eq!(faults("docs/testing.md", &text), [""; 0]);
        }
    }

    #[test]
    fn a_file_that_was_removed_is_a_fault_everywhere() {
        for text in ["`engine/src/gone.rs`", "`docs/gone.md`", "[text](docs/gone.md)"] {
            assert_eq!(faults("README.md", text).len(), 1, "{text}");
        }
    }
}
