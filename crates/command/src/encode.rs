//! From a reply to bytes, in the connection's protocol.
//!
//! [`encode`] writes all of a reply. A reply with many entries is large: [`ReplyEncoder`] writes as
//! much as its owner has room for, so that a client that does not read costs no more than its
//! pinned blocks.

mod reply_encoder;

use millstream_engine::{ClaimedEntry, ReadEntries, ReadOutcome, StreamRead};
use millstream_model::{EntryId, EntryRef, EntrySlice, PinnedEntry};
use millstream_resp::{Protocol, ReplyWriter};

use crate::{KeyMatches, Reply};

pub use reply_encoder::ReplyEncoder;

/// Appends the whole reply.
pub fn encode(reply: &Reply, protocol: Protocol, to: &mut Vec<u8>) {
    write(reply, &mut ReplyWriter::new(to, protocol));
}

fn write(reply: &Reply, out: &mut ReplyWriter<'_>) {
    match reply {
        Reply::Simple(text) => out.simple(text),
        Reply::Error(text) => out.error(text.as_bytes()),
        Reply::ErrorBytes(bytes) => out.error(bytes),
        Reply::Int(number) => out.int(*number),
        Reply::Id(id) => out.entry_id(id.ms, id.seq),
        Reply::Bulk(bytes) => out.bulk(bytes),
        Reply::Text(text) => out.bulk(text),
        Reply::Nil => out.nil_bulk(),
        Reply::NilArray => out.nil_array(),
        Reply::Array(items) => {
            out.array(items.len());
            items.iter().for_each(|item| write(item, out));
        }
        Reply::Map(pairs) => {
            out.map(pairs.len());
            for (key, value) in pairs {
                write(key, out);
                write(value, out);
            }
        }
        Reply::Set(items) => {
            out.set(items.len());
            items.iter().for_each(|item| write(item, out));
        }
        Reply::Double(number) => out.double(*number),
        Reply::Entry(entry) => write_entry(entry.as_ref(), out),
        Reply::Entries(entries) => write_slice(entries, out),
        Reply::Read(outcome) => write_read(outcome, out),
        Reply::Keys(matches) => write_keys(KeyMatches::clone(matches), out),
        Reply::Verbatim(text) => out.verbatim(text),
        Reply::Wire { resp2, resp3 } => {
            let bytes = if out.protocol() == Protocol::Resp2 { resp2 } else { resp3 };
            out.buffer().extend_from_slice(bytes.as_bytes());
        }
    }
}

fn write_keys(mut matches: KeyMatches, out: &mut ReplyWriter<'_>) {
    matches.search(usize::MAX);
    let (count, chunks) = matches.into_found();
    out.array(count);
    chunks.iter().for_each(|chunk| out.raw(chunk));
}

fn write_slice(entries: &EntrySlice, out: &mut ReplyWriter<'_>) {
    out.array(entries.len());
    entries.for_each(|entry| write_entry(entry, out));
}

fn write_entry(entry: EntryRef<'_>, out: &mut ReplyWriter<'_>) {
    out.array(2);
    write_id_and_fields(entry, out);
}

fn write_id_and_fields(entry: EntryRef<'_>, out: &mut ReplyWriter<'_>) {
    let id = entry.id();
    out.entry_id(id.ms, id.seq);
    out.array(2 * entry.field_count());
    for (name, value) in entry.pairs() {
        out.bulk(name);
        out.bulk(value);
    }
}

fn write_read(outcome: &ReadOutcome, out: &mut ReplyWriter<'_>) {
    write_read_header(outcome.streams.len(), out);
    for stream in &outcome.streams {
        write_stream_header(stream, out);
        match &stream.entries {
            ReadEntries::Plain(entries) => write_slice(entries, out),
            ReadEntries::History(entries) => {
                out.array(entries.len());
                entries.iter().for_each(|(id, entry)| write_own(*id, entry.as_ref(), out));
            }
            ReadEntries::Redelivered { again, new } => {
                out.array(again.len() + new.len());
                again.iter().for_each(|entry| write_entry(entry.as_ref(), out));
                new.for_each(|entry| write_entry(entry, out));
            }
            ReadEntries::WithClaims { claimed, new } => {
                out.array(claimed.len() + new.len());
                claimed.iter().for_each(|claimed| write_claimed(claimed, out));
                new.for_each(|entry| write_with_counts(entry, 0, 0, out));
            }
        }
    }
}

/// RESP3 has a map from keys to entries, RESP2 an array of pairs.
fn write_read_header(streams: usize, out: &mut ReplyWriter<'_>) {
    match out.protocol() {
        Protocol::Resp2 => out.array(streams),
        Protocol::Resp3 => out.map(streams),
    }
}

fn write_stream_header(stream: &StreamRead, out: &mut ReplyWriter<'_>) {
    if out.protocol() == Protocol::Resp2 {
        out.array(2);
    }
    out.bulk(&stream.key);
}

/// An entry of the consumer's own history; nothing but its id if it was deleted meanwhile.
fn write_own(id: EntryId, entry: Option<&PinnedEntry>, out: &mut ReplyWriter<'_>) {
    match entry {
        Some(entry) => write_entry(entry.as_ref(), out),
        None => {
            out.array(2);
            out.entry_id(id.ms, id.seq);
            out.nil_array();
        }
    }
}

fn write_claimed(claimed: &ClaimedEntry, out: &mut ReplyWriter<'_>) {
    write_with_counts(claimed.entry.as_ref(), claimed.idle_ms, claimed.delivery_count, out);
}

fn write_with_counts(
    entry: EntryRef<'_>,
    idle_ms: u64,
    delivery_count: u64,
    out: &mut ReplyWriter<'_>,
) {
    out.array(4);
    write_id_and_fields(entry, out);
    out.int(idle_ms.cast_signed());
    out.int(delivery_count.cast_signed());
}
