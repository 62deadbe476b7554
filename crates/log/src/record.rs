//! Reading a record's bytes back.

use std::{error, fmt};

use crate::LogPosition;

/// One record as recovery hands it to the replay function.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What [`RecordWriter::finish`](crate::RecordWriter::finish) returned for it.
    pub position_end: LogPosition,
    /// The bytes that were put.
    pub bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the fields in the order in which they were put.
    #[must_use]
    pub fn reader(&self) -> RecordReader<'a> {
        RecordReader { rest: self.bytes }
    }
}

/// Takes fields off a record, mirror of [`RecordWriter`](crate::RecordWriter).
#[derive(Clone, Debug)]
pub struct RecordReader<'a> {
    rest: &'a [u8],
}

/// A record's bytes end early or cannot be what the reader asks for. Checksums have passed by then,
/// so this is a bug or a record of a newer program, not a damaged disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// Fewer bytes left than the field needs.
    Short {
        /// Bytes that the field needs, as far as known.
        needed: u64,
        /// Bytes that are left.
        left: usize,
    },
    /// A number of more than 64 bits.
    VarintTooLong,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { needed, left } => {
                write!(f, "record ends early: {needed} bytes needed, {left} left")
            }
            Self::VarintTooLong => f.write_str("record holds a number of more than 64 bits"),
        }
    }
}

impl error::Error for RecordError {}

impl<'a> RecordReader<'a> {
    /// Starts at the first of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not yet taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Takes the next `length` bytes.
    ///
    /// # Errors
    /// [`RecordError::Short`].
    pub fn slice(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let short = RecordError::Short { needed: length as u64, left: self.rest.len() };
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`RecordError::Short`].
    pub fn u8(&mut self) -> Result<u8, RecordError> {
        Ok(self.slice(1)?[0])
    }

    /// Takes a little-endian u64.
    ///
    /// # Errors
    /// [`RecordError::Short`].
    pub fn u64(&mut self) -> Result<u64, RecordError> {
        Ok(u64::from_le_bytes(self.slice(8)?.try_into().expect("slice returned 8 bytes")))
    }

    /// Takes a variable-length number.
    ///
    /// # Errors
    /// [`RecordError::Short`], [`RecordError::VarintTooLong`].
    pub fn varint(&mut self) -> Result<u64, RecordError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::VarintTooLong)
    }

    /// Takes what `put_bytes` or `put_shared` put.
    ///
    /// # Errors
    /// [`RecordError::Short`], [`RecordError::VarintTooLong`].
    pub fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let needed = self.varint()?;
        let short = RecordError::Short { needed, left: self.rest.len() };
        self.slice(usize::try_from(needed).map_err(|_| short)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_or_end_early_are_errors() {
        assert_eq!(RecordReader::new(&[0x80; 11]).varint(), Err(RecordError::VarintTooLong));
        let mut too_large = [0xff; 10];
        too_large[9] = 2;
        assert_eq!(RecordReader::new(&too_large).varint(), Err(RecordError::VarintTooLong));
        assert_eq!(
            RecordReader::new(&[5, 1]).bytes(),
            Err(RecordError::Short { needed: 5, left: 1 })
        );
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(matches!(RecordReader::new(&huge).bytes(), Err(RecordError::Short { .. })));
    }
}
