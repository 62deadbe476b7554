//! `client-output-buffer-limit`: how much may wait for a client that does not take its replies.
//!
//! In Redis' form, a class of clients and three numbers: more than the hard limit closes the
//! connection at once; the soft limit closes it once at least so much has waited for so many
//! seconds without the client taking any of it. A client that takes something, however slowly, is
//! only paused. Replicas and subscribers do not exist here: their limits are kept as they were set.

use std::fmt;

/// Of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputLimit {
    /// Bytes; 0: none.
    pub(crate) hard_bytes: u64,
    /// Bytes; 0: none.
    pub(crate) soft_bytes: u64,
    /// 0: no soft limit.
    pub(crate) soft_s: u32,
}

/// Of all classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputLimits {
    pub(crate) normal: OutputLimit,
    replica: OutputLimit,
    pubsub: OutputLimit,
}

impl Default for OutputLimits {
    /// Five minutes without taking anything; for the others Redis' own.
    fn default() -> Self {
        let limit = |hard_bytes, soft_bytes, soft_s| OutputLimit { hard_bytes, soft_bytes, soft_s };
        Self {
            normal: limit(0, 1, 300),
            replica: limit(256 << 20, 64 << 20, 60),
            pubsub: limit(32 << 20, 8 << 20, 60),
        }
    }
}

impl fmt::Display for OutputLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = [("normal", self.normal), ("slave", self.replica), ("pubsub", self.pubsub)];
        for (index, (class, limit)) in classes.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            let OutputLimit { hard_bytes, soft_bytes, soft_s } = limit;
            write!(f, "{blank}{class} {hard_bytes} {soft_bytes} {soft_s}")?;
        }
        Ok(())
    }
}

impl OutputLimits {
    /// Takes over the classes that the text names. `parse_bytes` knows units.
    ///
    /// # Errors
    /// What is wrong, in Redis' words; then nothing has changed.
    pub(crate) fn set(
        &mut self,
        text: &[u8],
        parse_bytes: impl Fn(&[u8]) -> Option<i64>,
    ) -> Result<(), &'static str> {
        let words: Vec<&[u8]> =
            text.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.");
        }
        let mut changed = *self;
        for words in words.chunks_exact(4) {
            let class = match &words[0].to_ascii_lowercase()[..] {
                b"normal" => &mut changed.normal,
                b"slave" | b"replica" => &mut changed.replica,
                b"pubsub" => &mut changed.pubsub,
                _ => return Err("Invalid client class specified in buffer limit configuration."),
            };
            let bytes = |word: &[u8]| parse_bytes(word).and_then(|bytes| u64::try_from(bytes).ok());
            let seconds = str::from_utf8(words[3]).ok().and_then(|word| word.parse().ok());
            let (Some(hard_bytes), Some(soft_bytes), Some(soft_s)) =
                (bytes(words[1]), bytes(words[2]), seconds)
            else {
                return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
                );
            };
            *class = OutputLimit { hard_bytes, soft_bytes, soft_s };
        }
        *self = changed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(word: &[u8]) -> Option<i64> {
        str::from_utf8(word).ok()?.parse().ok()
    }

    #[test]
    fn classes_are_set_alone_or_together() {
        let mut limits = OutputLimits::default();
        let usual = "normal 0 1 300 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(limits.to_string(), usual);
        assert_eq!(limits.set(b"normal 5 4 3", parse), Ok(()));
        let both = b"replica 1 1 1 PUBSUB 2 2  2";
        assert_eq!(limits.set(both, parse), Ok(()));
        assert_eq!(limits.to_string(), "normal 5 4 3 slave 1 1 1 pubsub 2 2 2");
    }

    #[test]
    fn what_is_wrong_changes_nothing() {
        let mut limits = OutputLimits::default();
        for wrong in ["normal", "normal 1 2", "others 1 2 3", "normal a 2 3", "normal 1 2 -3"] {
            assert!(limits.set(wrong.as_bytes(), parse).is_err(), "{wrong}");
        }
        assert!(limits.set(b"normal 9 9 9 others 1 2 3", parse).is_err());
        assert_eq!(limits, OutputLimits::default());
    }
}
