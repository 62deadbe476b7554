//! Numbers, byte strings and ids as records have them; mirror images of each other.
//!
//! Must not know parts. What is read is not trusted: lengths are checked against what is left.

use millstream_log::RecordReader;
use millstream_model::EntryId;

use super::ReplayError;

/// Appends fields to bytes.
pub(crate) struct FieldWriter<'a> {
    to: &'a mut Vec<u8>,
}

impl<'a> FieldWriter<'a> {
    pub(crate) fn new(to: &'a mut Vec<u8>) -> Self {
        Self { to }
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.to.push(byte);
        self
    }

    pub(crate) fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.to.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.to.push(number as u8);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.to.extend_from_slice(bytes);
        self
    }

    /// 0 for none, else 1 and the number.
    pub(crate) fn optional(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.byte(1).number(number),
            None => self.byte(0),
        }
    }

    pub(crate) fn id(&mut self, id: EntryId) -> &mut Self {
        self.number(id.ms).number(id.seq)
    }

    /// Milliseconds wrap around when ids do not ascend; that costs ten bytes and loses nothing.
    pub(crate) fn id_after(&mut self, before: EntryId, id: EntryId) -> &mut Self {
        self.number(id.ms.wrapping_sub(before.ms));
        if id.ms == before.ms {
            self.number(id.seq.wrapping_sub(before.seq))
        } else {
            self.number(id.seq)
        }
    }
}

/// Takes fields off bytes.
#[derive(Clone)]
pub(crate) struct FieldReader<'a> {
    reader: RecordReader<'a>,
}

impl<'a> FieldReader<'a> {
    pub(crate) fn new(reader: RecordReader<'a>) -> Self {
        Self { reader }
    }

    pub(crate) fn left(&self) -> usize {
        self.reader.left()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ReplayError> {
        Ok(self.reader.u8()?)
    }

    pub(crate) fn number(&mut self) -> Result<u64, ReplayError> {
        Ok(self.reader.varint()?)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], ReplayError> {
        Ok(self.reader.bytes()?)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, ReplayError> {
        let value = self.number()?;
        u32::try_from(value).map_err(|_| ReplayError::OutOfRange { what, value })
    }

    pub(crate) fn optional(&mut self) -> Result<Option<u64>, ReplayError> {
        Ok(if self.flag()? { Some(self.number()?) } else { None })
    }

    pub(crate) fn flag(&mut self) -> Result<bool, ReplayError> {
        Ok(self.flags(1)? != 0)
    }

    /// A byte with no other bits than these.
    pub(crate) fn flags(&mut self, known: u8) -> Result<u8, ReplayError> {
        match self.byte()? {
            flags if flags & !known == 0 => Ok(flags),
            flags => Err(ReplayError::OutOfRange { what: "flags", value: u64::from(flags) }),
        }
    }

    pub(crate) fn id(&mut self) -> Result<EntryId, ReplayError> {
        Ok(EntryId::new(self.number()?, self.number()?))
    }

    pub(crate) fn id_after(&mut self, before: EntryId) -> Result<EntryId, ReplayError> {
        let ms = before.ms.wrapping_add(self.number()?);
        let seq = self.number()?;
        let seq = if ms == before.ms { before.seq.wrapping_add(seq) } else { seq };
        Ok(EntryId::new(ms, seq))
    }

    /// A list's length, not trusted beyond the bytes that are there.
    pub(crate) fn length(&mut self) -> Result<usize, ReplayError> {
        let length = self.number()?;
        if length <= self.left() as u64 {
            return Ok(length as usize);
        }
        Err(ReplayError::OutOfRange { what: "length", value: length })
    }
}
