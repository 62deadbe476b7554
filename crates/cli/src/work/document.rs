//! What a command reads on its standard input: the whole entry, as one line of JSON.

use millstream::Message;
use serde::Serialize;
use serde_json::value::RawValue;

/// The entry, and what is known of its delivery.
#[derive(Serialize)]
struct Document<'a> {
    id: String,
    stream: &'a str,
    group: &'a str,
    consumer: &'a str,
    /// This one included.
    deliveries: u64,
    /// As in dead letters and of `stream tail --json`.
    fields: &'a RawValue,
}

/// With a line end.
pub(super) fn document(message: &Message) -> serde_json::Result<Vec<u8>> {
    let fields = RawValue::from_string(message.payload().to_json())?;
    let mut text = serde_json::to_vec(&Document {
        id: message.id().to_string(),
        stream: message.stream(),
        group: message.group(),
        consumer: message.consumer(),
        deliveries: message.deliveries(),
        fields: &fields,
    })?;
    text.push(b'\n');
    Ok(text)
}
