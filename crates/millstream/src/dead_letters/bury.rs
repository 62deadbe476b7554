//! A message becomes a letter, in one step with its acknowledgement.

use std::time::SystemTime;

use redis::{Value, cmd, pipe};

use super::json;
use crate::{Error, Message, Millstream};

/// Buries what this consumer still has: the letter first, since a script that fails does not take
/// back what it did before.
const BURY: &str = "\
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1, ARGV[3]) == 0 then return 0 end
local letter = redis.call('XADD', KEYS[2], '*', unpack(ARGV, 4))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return letter";

/// Why a message became a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    MaxDeliveries,
    Fatal,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::MaxDeliveries => "max-deliveries",
            Self::Fatal => "fatal",
        }
    }
}

/// Writes a letter and acknowledges the message; false: the message is not this consumer's any
/// more, and nothing was done.
pub(crate) async fn bury(
    millstream: &Millstream,
    letters: &str,
    message: &Message,
    reason: Reason,
    error: &str,
) -> Result<bool, Error> {
    let id = message.id.to_string();
    let failed_at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let fields: [(&str, Vec<u8>); 9] = [
        ("original_id", id.clone().into()),
        ("original_data", json::encode(&message.payload).into()),
        ("failed_at", format!("{:.3}", failed_at.as_secs_f64()).into()),
        ("consumer", message.consumer().into()),
        ("stream", message.stream().into()),
        ("group", message.group().into()),
        ("delivery_count", message.deliveries.to_string().into()),
        ("reason", reason.word().into()),
        ("error", error.into()),
    ];
    if millstream.abilities().has_scripts {
        let mut script = cmd("EVAL");
        script.arg(BURY).arg(2).arg(message.stream()).arg(letters);
        script.arg(message.group()).arg(&id).arg(message.consumer());
        fields.iter().for_each(|(name, value)| _ = script.arg(*name).arg(value));
        return Ok(millstream.run(&script).await? != Value::Int(0));
    }
    let mut add = cmd("XADD");
    add.arg(letters).arg("*");
    fields.iter().for_each(|(name, value)| _ = add.arg(*name).arg(value));
    let acknowledge = cmd("XACK").arg(&[message.stream(), message.group(), &id]).to_owned();
    let mut all = pipe();
    all.atomic();
    if millstream.abilities().has_fence {
        all.cmd("XFENCE").arg(&[message.stream(), message.group(), message.consumer(), &id]);
    }
    all.add_command(add).add_command(acknowledge);
    // A fence that does not hold leaves EXEC without answers.
    millstream.backend().run_all(&all).await.map(|answers| !answers.is_empty())
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::Origin;
    use crate::{EntryId, Fields};

    #[tokio::test]
    async fn without_scripts_too_nobody_buries_what_somebody_else_has_by_now() {
        let (millstream, _clock) = crate::testing::in_memory();
        let run = async |line: &str| {
            let mut words = line.split(' ');
            let mut command = cmd(words.next().expect("a command"));
            words.for_each(|word| _ = command.arg(word));
            millstream.run(&command).await.expect("an answer")
        };
        for line in [
            "XADD s 1-1 f v",
            "XGROUP CREATE s g 0",
            "XREADGROUP GROUP g late STREAMS s >",
            "XCLAIM s g other 0 1-1",
        ] {
            run(line).await;
        }
        let message_of = |consumer: &str| {
            let (stream, group, consumer) = ("s".to_owned(), "g".to_owned(), consumer.to_owned());
            let origin = Arc::new(Origin { stream, group, consumer, fence: None });
            let id = EntryId { ms: 1, seq: 1 };
            Message { origin, id, payload: Fields::new().with("f", "v"), deliveries: 1 }
        };
        let buried = bury(&millstream, "s:dlq", &message_of("late"), Reason::Fatal, "").await;
        assert_eq!((buried.expect("done"), run("XLEN s:dlq").await), (false, Value::Int(0)));
        let buried = bury(&millstream, "s:dlq", &message_of("other"), Reason::Fatal, "").await;
        assert_eq!((buried.expect("done"), run("XLEN s:dlq").await), (true, Value::Int(1)));
    }
}
