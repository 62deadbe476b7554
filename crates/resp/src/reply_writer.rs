//! Replies to bytes, in the protocol of the connection.
//!
//! The writer must not know what a command is, nor whether a reply is complete: a header that
//! announces n elements has to be followed by n elements, and nobody checks that here. It never
//! fails; it grows the buffer.
//!
//! What RESP2 lacks is written as clients of RESP2 expect it: maps flattened, sets and pushes as
//! arrays, doubles and verbatim text as bulk strings, booleans as 1 and 0. Byte-exact tests in
//! `tests/it/replies.rs`.

use crate::Protocol;

/// `"00"` to `"99"`: two digits by one look-up, for the lengths that nearly all replies have.
const TWO_DIGITS: [[u8; 2]; 100] = {
    let mut table = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        table[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    table
};

/// Room for a type byte, 20 digits and the line end, twice, and a line end.
const FRAMING_BYTES_MAX: usize = 48;

/// Appends replies to a buffer that it borrows.
///
/// ```
/// use millstream_resp::{Protocol, ReplyWriter};
/// let mut out = Vec::new();
/// let mut reply = ReplyWriter::new(&mut out, Protocol::Resp2);
/// reply.array(2);
/// reply.entry_id(1526919030474, 55);
/// reply.nil_bulk();
/// assert_eq!(out, b"*2\r\n$16\r\n1526919030474-55\r\n$-1\r\n");
/// ```
#[derive(Debug)]
pub struct ReplyWriter<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> ReplyWriter<'a> {
    /// A writer that appends to `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        ReplyWriter { out, protocol }
    }

    /// The protocol that replies are written in.
    #[must_use]
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The buffer, for bytes that are encoded already.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// `+text`. The text must hold neither CR nor LF.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        debug_assert!(memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_none());
        self.line(b'+', text.as_bytes());
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// `-text`, where the text begins with its code (`ERR ...`). CR and LF become blanks.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let start = self.out.len() + 1;
        self.line(b'-', text);
        for byte in &mut self.out[start..start + text.len()] {
            if *byte == b'\r' || *byte == b'\n' {
                *byte = b' ';
            }
        }
    }

    /// `:number`.
    #[inline]
    pub fn int(&mut self, number: i64) {
        match usize::try_from(number) {
            Ok(number) if number < 100 => write_header(self.out, b':', number),
            _ => self.line(b':', itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    /// A count as `:number`; counts above `i64::MAX` do not occur, and would be cut to it.
    #[inline]
    pub fn count(&mut self, count: usize) {
        self.int(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `$length` and the bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.out.reserve(bytes.len() + FRAMING_BYTES_MAX);
        write_header(self.out, b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Values that were encoded before, in a form that is the same in both protocols or in this
    /// one.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    /// A number as a bulk string, as XPENDING's summary counts are.
    pub fn bulk_int(&mut self, number: i64) {
        self.bulk(itoa::Buffer::new().format(number));
    }

    /// An entry ID as a bulk string: `ms-seq`.
    #[inline]
    pub fn entry_id(&mut self, ms: u64, seq: u64) {
        let (mut ms_buffer, mut seq_buffer) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms_buffer.format(ms).as_bytes(), seq_buffer.format(seq).as_bytes());
        // 41 bytes of text at most.
        self.out.reserve(2 * FRAMING_BYTES_MAX);
        write_header(self.out, b'$', ms.len() + 1 + seq.len());
        self.out.extend_from_slice(ms);
        self.out.push(b'-');
        self.out.extend_from_slice(seq);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Nothing where a string would stand: `$-1`, in RESP3 `_`.
    #[inline]
    pub fn nil_bulk(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.extend_from_slice(b"$-1\r\n"),
            Protocol::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// Nothing where an array would stand: `*-1`, in RESP3 `_`.
    #[inline]
    pub fn nil_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.extend_from_slice(b"*-1\r\n"),
            Protocol::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// Begins an array of `n` elements.
    #[inline]
    pub fn array(&mut self, n: usize) {
        write_header(self.out, b'*', n);
    }

    /// Begins a map of `n` pairs; in RESP2 an array of 2n elements.
    #[inline]
    pub fn map(&mut self, n: usize) {
        match self.protocol {
            Protocol::Resp2 => write_header(self.out, b'*', n * 2),
            Protocol::Resp3 => write_header(self.out, b'%', n),
        }
    }

    /// Begins a set of `n` elements; in RESP2 an array.
    pub fn set(&mut self, n: usize) {
        self.aggregate(b'~', n);
    }

    /// Begins an out-of-band message of `n` elements; in RESP2 an array.
    pub fn push(&mut self, n: usize) {
        self.aggregate(b'>', n);
    }

    /// `,number` in its shortest form; in RESP2 a bulk string.
    pub fn double(&mut self, number: f64) {
        let text = format_double(number);
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// `#t` or `#f`; in RESP2 `:1` or `:0`.
    pub fn boolean(&mut self, value: bool) {
        let text: &[u8] = match (self.protocol, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        };
        self.out.extend_from_slice(text);
    }

    /// Text for people, as INFO's; in RESP2 a bulk string.
    pub fn verbatim(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.out.reserve(text.len() + FRAMING_BYTES_MAX);
                write_header(self.out, b'=', text.len() + 4);
                self.out.extend_from_slice(b"txt:");
                self.out.extend_from_slice(text);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn aggregate(&mut self, kind: u8, n: usize) {
        match self.protocol {
            Protocol::Resp2 => write_header(self.out, b'*', n),
            Protocol::Resp3 => write_header(self.out, kind, n),
        }
    }

    #[inline]
    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.reserve(text.len() + FRAMING_BYTES_MAX);
        self.out.push(kind);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Type byte, number, line end. Arrays of fixed size become single stores.
#[inline]
pub(crate) fn write_header(out: &mut Vec<u8>, kind: u8, number: usize) {
    if number < 10 {
        out.extend_from_slice(&[kind, b'0' + number as u8, b'\r', b'\n']);
    } else if let Some(&[tens, units]) = TWO_DIGITS.get(number) {
        out.extend_from_slice(&[kind, tens, units, b'\r', b'\n']);
    } else {
        out.push(kind);
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Shortest text that reads back as `number`; very large and small ones with an exponent.
pub(crate) fn format_double(number: f64) -> String {
    let magnitude = number.abs();
    if number.is_nan() {
        "nan".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "inf".to_owned() } else { "-inf".to_owned() }
    } else if magnitude != 0.0 && !(1e-5..1e17).contains(&magnitude) {
        let text = format!("{number:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    } else {
        format!("{number}")
    }
}
