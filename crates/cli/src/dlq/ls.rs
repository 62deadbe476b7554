//! `millstream dlq ls`: the dead letters of a stream.

use millstream_shown::LetterRow;

use super::filter::FilterOptions;
use super::letter_row::{COLUMNS, cells};
use super::letters::{Letters, LettersOptions};
use crate::output::{List, notice, visible};
use crate::server::{Server, ServerOptions};

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream dlq ls orders
  millstream dlq ls orders --group billing --older-than 1d
  millstream dlq ls orders --error 'card expired' --json
  millstream dlq ls orders --letters failed-orders --limit 0

LETTER is the id of a letter, by which the other commands know it; ENTRY that of the entry that it
was; AGE the time since it is a letter. Entries that are no letters are passed over.";

/// Letters that are kept here at the same time: each has an entry in it.
pub(super) const LISTED_AT_ONCE: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct LsOptions {
    #[command(flatten)]
    letters: LettersOptions,
    #[command(flatten)]
    filter: FilterOptions,
    /// Most letters to list, the oldest ones; 0: no limit
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: u64,
}

pub(super) async fn ls(server: &ServerOptions, options: &LsOptions) -> anyhow::Result<()> {
    let place = options.letters.place(server)?;
    let filter = options.filter.filter(server)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let found = place.find(&server).await?;
    let filter = found.of_stream(filter);
    let cannot = server.cannot(format!("list the dead letters in {}", found.key));
    let mut list = List::new(is_json, "letters", COLUMNS);
    let mut left = if options.limit == 0 { u64::MAX } else { options.limit };
    let mut after = None;
    let is_limited = loop {
        // One more than there is room for says whether there are more.
        let wanted = left.saturating_add(1).min(LISTED_AT_ONCE as u64) as usize;
        let letters = found.letters.list_like(&filter, after, wanted).await.map_err(&cannot)?;
        for letter in letters.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            list.row(&LetterRow::new(letter)?, || cells(letter))?;
        }
        let count = letters.len() as u64;
        if count > left || letters.len() < wanted {
            break count > left;
        }
        left -= count;
        after = letters.last().map(|letter| letter.id);
    };
    let count = list.end(&[("is_limited", is_limited.into())])?;
    if is_json {
        return Ok(());
    }
    let key = &found.key;
    match is_limited {
        true => notice(&format!("there are more than {count} letters: see --limit")),
        false if count == 0 && options.filter.is_given() => {
            notice(&format!("there are no dead letters of that kind in {key}"));
        }
        false if count == 0 => notice(&format!("there are no dead letters in {key}")),
        false => {}
    }
    tell_of_others(&server, &found).await
}

/// Groups of Millstream may have their letters elsewhere.
async fn tell_of_others(server: &Server, found: &Letters) -> anyhow::Result<()> {
    let stream = &found.stream;
    let cannot = server.cannot(format!("look at the groups of stream {stream}"));
    if !server.millstream.abilities().has_policies
        || server.stream(stream).info().await.map_err(&cannot)?.is_none()
    {
        return Ok(());
    }
    for group in server.groups(stream).groups().await.map_err(&cannot)? {
        let letters = group.managed.and_then(|managed| managed.policy.dead_letters);
        let Some(letters) = letters.filter(|key| key.as_bytes() != found.key.as_ref()) else {
            continue;
        };
        notice(&format!(
            "group {} has its dead letters in {}: see --letters",
            visible(&group.name_bytes),
            visible(letters.as_bytes())
        ));
    }
    Ok(())
}
