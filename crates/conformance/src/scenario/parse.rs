//! From the text of a file to its sections.

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{Action, Expected, PeerRange, Rules, Section, Step, arguments};

/// A reply that took longer than this was not worth waiting for, in milliseconds.
const AWAIT_MS_MAX: u64 = 10_000;

/// Reads all sections; errors name the line.
pub(super) fn sections(text: &str) -> Result<Vec<Section>> {
    let mut reader = Reader { lines: text.lines().collect(), at: 0 };
    let mut common = Rules::default();
    let mut sections: Vec<Section> = Vec::new();
    let mut next_differs = Vec::new();
    while let Some((line, text)) = reader.next_line() {
        let result = match sections.last_mut() {
            _ if text.starts_with("== ") => {
                let title = text[3..].trim().to_owned();
                sections.push(Section { title, line, rules: common.clone(), steps: Vec::new() });
                Ok(())
            }
            None => rule(text, &mut common),
            Some(section) if text.starts_with("@config ") => {
                config(text).map(|action| section.steps.push(Step::new(line, action)))
            }
            Some(section) if text.starts_with('@') && section.steps.is_empty() => {
                rule(text, &mut section.rules)
            }
            Some(_) if text.starts_with('@') => {
                let mut rules = Rules::default();
                rule(text, &mut rules).map(|()| next_differs = rules.differs)
            }
            Some(section) => step(line, text, &mut reader).map(|mut step| {
                step.differs = std::mem::take(&mut next_differs);
                section.steps.push(step);
            }),
        };
        result.with_context(|| format!("line {line}: {text}"))?;
    }
    Ok(sections)
}

impl Step {
    fn new(line: usize, action: Action) -> Self {
        Self { line, action, differs: Vec::new() }
    }
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next line that is neither blank nor a comment, with its number.
    fn next_line(&mut self) -> Option<(usize, &'a str)> {
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            if !line.trim().is_empty() && !line.starts_with("# ") {
                return Some((self.at, line.trim_end()));
            }
        }
        None
    }

    /// The next line together with the indented ones that continue it.
    fn reply(&mut self) -> Result<(usize, String)> {
        let (number, line) = self.next_line().context("a reply should follow")?;
        let mut text = line.to_owned();
        while let Some(more) = self.lines.get(self.at).filter(|line| line.starts_with(' ')) {
            self.at += 1;
            text.push(' ');
            text.push_str(more.trim());
        }
        Ok((number, text))
    }

    fn expected(&mut self) -> Result<Expected> {
        let (line, text) = self.reply()?;
        Ok(match text.as_str() {
            "blocks" => Expected::Blocks,
            "closed" => Expected::Closed,
            "silence" => Expected::Silence,
            "?" => Expected::Unknown { line },
            _ => Expected::Reply(pattern(&text)?),
        })
    }
}

fn pattern(text: &str) -> Result<crate::Pattern> {
    // `-ERR …` without quotes, to the end of the line.
    if let Some(error) = text.strip_prefix('-')
        && error.starts_with(|c: char| c.is_ascii_uppercase())
    {
        return Ok(match error.strip_suffix("<any>") {
            Some(start) => crate::Pattern::ErrorStart(start.to_owned()),
            None => crate::Pattern::Error(error.to_owned()),
        });
    }
    text.parse().map_err(|error| anyhow!("{error}, in the reply {text}"))
}

fn rule(text: &str, rules: &mut Rules) -> Result<()> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "@ours" => rules.ours = true,
        "@debug" => rules.debug = true,
        "@only" => {
            let ranges: Result<Vec<PeerRange>, String> =
                rest.split_whitespace().map(str::parse).collect();
            rules.only = ranges.map_err(|error| anyhow!(error))?;
        }
        "@differs" => {
            let (who, reason) = rest.split_once(": ").context("a reason should follow")?;
            let range = who.parse().map_err(|error: String| anyhow!(error))?;
            rules.differs.push((range, reason.to_owned()));
        }
        "@resp" => {
            let protocol = rest.parse().context("2 or 3")?;
            ensure!((2..=3).contains(&protocol), "2 or 3");
            rules.protocol = Some(protocol);
        }
        _ => bail!("unknown directive"),
    }
    Ok(())
}

fn config(text: &str) -> Result<Action> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, name, value] = words[..] else { bail!("@config NAME VALUE") };
    Ok(Action::Config { name: name.to_owned(), value: value.to_owned() })
}

fn step(line: usize, text: &str, reader: &mut Reader) -> Result<Step> {
    if let Some(time) = text.strip_prefix("wait ") {
        let ms = time.strip_suffix("ms").and_then(|ms| ms.parse().ok());
        return Ok(Step::new(line, Action::Wait { ms: ms.context("wait 50ms")? }));
    }
    if let Some(name) = text.strip_suffix(" still blocks") {
        let client = client(name).context("c2 still blocks")?;
        return Ok(Step::new(line, Action::StillBlocks { client }));
    }
    let mark = text.find(['>', '<']).context("neither a command nor anything else")?;
    let (before, after) = (&text[..mark], &text[mark + 1..]);
    if text.as_bytes()[mark] == b'<' {
        let client = client(before).context("c2<")?;
        let within = window(after.trim())?;
        let expected = reader.expected()?;
        return Ok(Step::new(line, Action::Await { client, within, expected }));
    }
    let (client, repeat) = match (before, before.strip_suffix('x')) {
        ("", _) => (1, 1),
        (_, Some(times)) => (1, times.parse().context("how many times")?),
        _ => (client(before).context("c2>")?, 1),
    };
    let arguments = arguments::split(after).map_err(|error| anyhow!(error))?;
    ensure!(!arguments.is_empty(), "a command should follow");
    let expected = reader.expected()?;
    Ok(Step::new(line, Action::Send { client, repeat, arguments, expected }))
}

fn client(name: &str) -> Option<u8> {
    name.strip_prefix('c')?.parse().ok()
}

/// `300..900ms`; nothing means any time.
fn window(text: &str) -> Result<std::ops::RangeInclusive<u64>> {
    if text.is_empty() {
        return Ok(0..=AWAIT_MS_MAX);
    }
    let bounds = text.strip_suffix("ms").and_then(|text| text.split_once(".."));
    let (low, high) = bounds.context("a time such as 300..900ms")?;
    Ok(low.parse().context("milliseconds")?..=high.parse().context("milliseconds")?)
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Expected};
    use super::sections;

    #[test]
    fn a_file_is_sections_of_steps() {
        let text = "# c\n@only redis>=8.4\n== one\n@resp 3\n> PING\n+PONG\n@differs valkey: why\n\
                    c2> XREAD BLOCK 0 STREAMS s $\nblocks\nc2< 5..9ms\n[a,\n b]\n== two\n@debug\n2x> A\n?\n> B\nsilence\n> C\n#true\n";
        let sections = sections(text).expect("well written");
        assert_eq!(sections.len(), 2);
        assert_eq!(sections[0].rules.protocol, Some(3));
        assert_eq!(sections[1].rules.protocol, None);
        assert_eq!(sections[1].rules.only.len(), 1, "rules of the file hold for each section");
        assert!(sections[1].rules.debug && !sections[0].rules.debug);
        let steps = &sections[0].steps;
        assert_eq!(steps[1].differs.len(), 1);
        let Action::Await { client, within, expected } = &steps[2].action else {
            panic!("{:?}", steps[2])
        };
        assert_eq!((*client, within.clone()), (2, 5..=9));
        assert!(matches!(expected, Expected::Reply(_)));
        let Action::Send { repeat, expected, .. } = &sections[1].steps[0].action else {
            panic!("{:?}", sections[1].steps[0])
        };
        assert!(*repeat == 2 && matches!(expected, Expected::Unknown { line: 16 }));
        let Action::Send { expected, .. } = &sections[1].steps[1].action else {
            panic!("{:?}", sections[1].steps[1])
        };
        assert!(matches!(expected, Expected::Silence));
        assert_eq!(sections[1].steps.len(), 3, "a reply that is a boolean is no comment");
    }

    #[test]
    fn a_malformed_line_is_named() {
        for text in ["== a\nfoo\n", "@what\n", "== a\n> PING\n", "== a\n> PING\n[\n", "PING\n"] {
            let error = format!("{:#}", sections(text).expect_err(text));
            assert!(error.contains("line "), "{error}");
        }
    }
}
