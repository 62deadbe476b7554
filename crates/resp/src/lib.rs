//! RESP2 and RESP3: bytes to requests, replies to bytes, and back again for clients.
//!
//! The crate does no I/O and reads no clock: callers own the sockets and the buffers. It knows
//! nothing about commands, keys or streams.
//!
//! Server side, in the order of a request's life:
//!
//! - [`RequestParser`] finds pipelined requests in a byte buffer and notes where their arguments
//!   lie in a [`RequestBatch`]. Nothing is copied.
//! - [`ProtocolError`] says why a connection has to be closed, in the words clients know.
//! - [`ReplyWriter`] appends replies to a `Vec<u8>` in the connection's [`Protocol`].
//!
//! Client side (tests, benchmark, tools; written for clarity and strictness before speed):
//!
//! - [`encode_command`] writes a request, [`split_args`] cuts a typed line into arguments.
//! - [`Decoder`] reads replies into [`Value`]s within [`DecodeLimits`].
//! - [`pretty`] renders a [`Value`] the way interactive Redis clients do.
//!
//! ```
//! use millstream_resp::{RequestBatch, RequestLimits, RequestParser};
//!
//! let input = b"*1\r\n$4\r\nPING\r\nECHO 'a b'\r\n*2\r\n$4\r\nEC";
//! let mut parser = RequestParser::new();
//! let mut batch = RequestBatch::new();
//! let status = parser.parse(input, &RequestLimits::default(), 256, &mut batch)?;
//! assert_eq!(batch.len(), 2);
//! assert_eq!(batch.request(1, input).get(1), Some(&b"a b"[..]));
//! assert_eq!(status.consumed, input.len() - 10);
//! # Ok::<(), millstream_resp::ProtocolError>(())
//! ```

mod decimal;
mod decoder;
mod encode_command;
mod inline;
mod pretty;
mod protocol;
mod protocol_error;
mod reply_writer;
mod request_batch;
mod request_limits;
mod request_parser;
mod value;

pub use decimal::parse_i64;
pub use decoder::{DecodeError, DecodeLimits, Decoder};
pub use encode_command::encode_command;
pub use inline::{UnbalancedQuotes, split_args};
pub use pretty::pretty;
pub use protocol::Protocol;
pub use protocol_error::ProtocolError;
pub use reply_writer::ReplyWriter;
pub use request_batch::{ArgSlices, Request, RequestBatch};
pub use request_limits::RequestLimits;
pub use request_parser::{ParseStatus, RequestParser};
pub use value::Value;
