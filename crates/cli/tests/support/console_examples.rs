//! Examples of a page: blocks marked `console`, in which a line with `$ ` is a command and what
//! follows is what it prints.

/// A command and what stands below it.
pub(crate) struct Example {
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) printed: String,
}

/// Those of a page, in its order.
pub(crate) fn console_examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut is_inside = false;
    for (number, line) in (1..).zip(page.lines()) {
        if line.starts_with("```") {
            is_inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_inside) {
            let (command, printed) = (command.to_owned(), String::new());
            examples.push(Example { line: number, command, printed });
        } else if is_inside {
            let last = examples.last_mut().expect("a command comes first");
            last.printed.push_str(line);
            last.printed.push('\n');
        }
    }
    examples
}
