//! `millstream config print`: settings as a file that says what they mean.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::{Arg, CommandFactory as _};
use millstream::ConnectOptions;

use crate::output::{print_json, print_text};
use crate::serve_keys::{SECRETS, key_of};
use crate::serve_options::ServeOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream config print > millstream.toml
  millstream config print --config millstream.toml --json
  millstream serve --config millstream.toml --check-config";

const LINE_WIDTH: usize = 98;

#[derive(Debug, clap::Args)]
pub(crate) struct PrintOptions {
    #[command(flatten)]
    settings: ServeOptions,
    /// Print one JSON document: `settings` has those that were given
    #[arg(long)]
    json: bool,
    /// Print passwords, too
    #[arg(long)]
    show_password: bool,
}

pub(super) fn print(options: PrintOptions) -> anyhow::Result<()> {
    let PrintOptions { settings, json, show_password } = options;
    let mut settings = settings.with_file()?;
    let secrets = [&mut settings.requirepass, &mut settings.tls_key_file_pass];
    let is_hidden = |secret: &mut Option<String>| {
        !show_password && secret.take_if(|it| !it.is_empty()).is_some()
    };
    let hidden = SECRETS.into_iter().zip(secrets);
    let mut hidden: Vec<&str> =
        hidden.filter_map(|(name, secret)| is_hidden(secret).then_some(name)).collect();
    let has_password = |url: &mut String| ConnectOptions::new(url.as_str()).address() != *url;
    if !show_password && settings.otlp_endpoint.take_if(has_password).is_some() {
        hidden.push("otlp-endpoint");
    }
    if json {
        let given = given(&settings)?;
        print_json(&serde_json::json!({ "settings": given, "hidden": hidden }))?;
        return Ok(());
    }
    print_text(&file(&given(&settings)?, &hidden)?)?;
    Ok(())
}

/// The settings that have a value.
fn given(settings: &ServeOptions) -> anyhow::Result<toml::Table> {
    let mut given = toml::Table::try_from(settings).context("show the settings as TOML")?;
    given.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    Ok(given)
}

fn file(given: &toml::Table, hidden: &[&str]) -> anyhow::Result<String> {
    let mut text =
        "# Settings of `millstream serve`. A flag or a variable MILLSTREAM_* beats them.\n"
            .to_owned();
    let program = crate::CommandLine::command();
    let serve = program.find_subcommand("serve").context("find the definition of serve")?;
    for argument in serve.get_arguments() {
        let Some(key) = key_of(argument) else { continue };
        let value = given.get(key);
        if argument.is_hide_set() && value.is_none() {
            continue;
        }
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let (meaning, default) = meaning_and_default(&help);
        text.push('\n');
        for line in wrapped(meaning) {
            writeln!(text, "# {line}")?;
        }
        match value {
            Some(value) => writeln!(text, "{key} = {value}")?,
            None if hidden.contains(&key) => {
                writeln!(text, "# It is set, and not shown: see --show-password.")?;
                writeln!(text, "# {key} = <{}>", value_name(argument))?;
            }
            None => match default.and_then(literal) {
                Some(default) => writeln!(text, "# {key} = {default}")?,
                None => {
                    if let Some(default) = default {
                        writeln!(text, "# Default: {default}.")?;
                    }
                    writeln!(text, "# {key} = <{}>", value_name(argument))?;
                }
            },
        }
    }
    Ok(text)
}

/// Divides `What it is [default: 7]`.
fn meaning_and_default(help: &str) -> (&str, Option<&str>) {
    match help.strip_suffix(']').and_then(|help| help.split_once(" [default: ")) {
        Some((meaning, default)) => (meaning, Some(default)),
        None => (help, None),
    }
}

/// A default as a value of TOML; `None`: it is a description.
fn literal(default: &str) -> Option<toml::Value> {
    if let Ok(number) = default.parse::<i64>() {
        return Some(number.into());
    }
    let is_description = default.contains(' ') && !default.contains(':') || default.contains('\'');
    (!is_description).then(|| default.into())
}

fn value_name(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.first().map(ToString::to_string).unwrap_or_default()
}

/// Lines that are not wider than the file should be.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.len() + 1 + word.len() > LINE_WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
