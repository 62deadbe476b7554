//! `millstream dlq show`: one dead letter.

use std::time::SystemTime;

use millstream::{DeadLetter, EntryId};
use millstream_shown::LetterRow;

use super::letter_row::{name_or_dash, text_or_dash};
use super::letters::LettersOptions;
use crate::entry_id::parse_id;
use crate::name::Name;
use crate::output::{age_of, or_dash, print_facts, print_json, print_line, short, visible};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream dlq show orders 1764129600000-0
  millstream dlq show orders 1764129600000-0 --json | jq .fields

Below what the letter says stand the fields of the entry that it was.";

#[derive(Debug, clap::Args)]
pub(crate) struct ShowOptions {
    #[command(flatten)]
    letters: LettersOptions,
    /// Id of the letter, as `millstream dlq ls` shows it
    #[arg(value_parser = parse_id)]
    id: EntryId,
}

pub(super) async fn show(server: &ServerOptions, options: &ShowOptions) -> anyhow::Result<()> {
    let place = options.letters.place(server)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let found = place.find(&server).await?;
    let (id, key) = (options.id, &found.key);
    let letter = found.named(&[id]).await;
    let letter = letter.map_err(server.cannot(format!("read letter {id} in {key}")))?;
    let Some(letter) = letter.first() else {
        anyhow::bail!(
            "there is no dead letter {id} of stream {} in {key} at {}\n  next: `millstream dlq \
             ls` shows those that there are",
            found.stream,
            server.address
        );
    };
    if is_json {
        print_json(&LetterRow::new(letter)?)?;
        return Ok(());
    }
    print_facts(&facts(key, letter))?;
    print_line("")?;
    // Names may be anything, so they are no facts of a table.
    for (name, value) in letter.payload.iter() {
        print_line(&format!("{}={}", visible(name), visible(value)))?;
    }
    Ok(())
}

fn facts(key: &Name, letter: &DeadLetter) -> Vec<(&'static str, String)> {
    let failed_at = Some(letter.failed_at).filter(|at| *at > SystemTime::UNIX_EPOCH);
    let failed_at = failed_at.and_then(|at| jiff::Timestamp::try_from(at).ok());
    vec![
        ("letter", format!("{} in {key}, {} ago", letter.id, short(age_of(letter.id)))),
        ("entry", letter.original_id.to_string()),
        ("stream", name_or_dash(&letter.stream_bytes)),
        ("group", name_or_dash(&letter.group_bytes)),
        ("consumer", name_or_dash(&letter.consumer_bytes)),
        ("deliveries", letter.deliveries.to_string()),
        ("reason", text_or_dash(&letter.reason)),
        ("failed at", or_dash(failed_at)),
        ("error", text_or_dash(&letter.error)),
    ]
}
