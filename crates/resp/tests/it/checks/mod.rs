//! Properties that hold for every input, shared by property tests and fuzz targets.
//!
//! Both functions take arbitrary bytes and panic where a property is broken. Limits are small, so
//! that short inputs reach them.

pub(crate) mod reference;

use millstream_resp::{
    DecodeError, DecodeLimits, Decoder, ProtocolError, RequestBatch, RequestLimits, RequestParser,
    Value,
};
use reference::{Outcome, Requests};

/// Limits that an input of a few dozen bytes can reach.
pub(crate) fn small_limits(unauthenticated: bool) -> RequestLimits {
    RequestLimits {
        bulk_bytes_max: 200,
        args_max: 40,
        inline_bytes_max: 24,
        request_bytes_max: 300,
        unauthenticated,
    }
}

/// The parser agrees with the naive reference, whole and cut into pieces, within its memory bound.
///
/// The first byte chooses limits, batch size and the way of cutting; the rest is the input.
pub(crate) fn check_request_input(data: &[u8]) {
    let Some((&choice, input)) = data.split_first() else { return };
    let limits =
        if choice & 1 == 0 { RequestLimits::default() } else { small_limits(choice & 2 != 0) };
    let count_max = [1, 2, 7, 1000][usize::from(choice >> 2 & 3)];
    let piece_bytes = [1, 2, 3, 5, 8, 13, 64, 1000][usize::from(choice >> 4 & 7)];

    let expected = reference::parse(input, &limits);
    assert_eq!(parse_in_pieces(input, input.len().max(1), &limits, count_max), expected);
    assert_eq!(parse_in_pieces(input, piece_bytes, &limits, count_max), expected);
}

/// Like [`parse_pieces`], with pieces of one size.
pub(crate) fn parse_in_pieces(
    input: &[u8],
    piece_bytes: usize,
    limits: &RequestLimits,
    count_max: usize,
) -> Outcome {
    parse_pieces(input.chunks(piece_bytes), limits, count_max)
}

/// Feeds pieces of input as a session would, and checks the parser's promises on the way.
pub(crate) fn parse_pieces<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    limits: &RequestLimits,
    count_max: usize,
) -> Outcome {
    let mut parser = RequestParser::new();
    let mut batch = RequestBatch::new();
    let mut buf = Vec::new();
    let mut requests = Requests::new();
    let mut consumed = 0;
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            let status = match parser.parse(&buf, limits, count_max, &mut batch) {
                Ok(status) => status,
                Err(error) => {
                    assert!(batch.is_empty());
                    assert_sticky(&mut parser, &buf, limits, error);
                    return Outcome { requests, consumed: 0, error: Some(error) };
                }
            };
            assert!(batch.len() <= count_max);
            assert!(status.needed_hint <= buf.len().max(1024 * 1024));
            assert!(!status.more || status.consumed > 0, "called again without progress");
            for request in batch.iter(&buf) {
                requests.push(request.iter().map(<[u8]>::to_vec).collect());
            }
            // 8 bytes for 6 on the wire, doubled by growth, plus what a batch keeps.
            let memory_max = 4 * buf.len() + 128;
            assert!(batch.memory_bytes() + parser.memory_bytes() <= memory_max + 96 * 1024);
            buf.drain(..status.consumed);
            consumed += status.consumed;
            if !status.more {
                break;
            }
        }
    }
    Outcome { requests, consumed, error: None }
}

fn assert_sticky(
    parser: &mut RequestParser,
    buf: &[u8],
    limits: &RequestLimits,
    error: ProtocolError,
) {
    let mut batch = RequestBatch::new();
    assert_eq!(parser.parse(buf, limits, 1, &mut batch), Err(error));
    assert_eq!(parser.parse(b"PING\r\n", limits, 1, &mut batch), Err(error));
    assert!(batch.is_empty());
}

/// Decoding gives the same whole and in pieces, encodes back to itself, and stays small.
///
/// The first byte chooses limits and piece size; the rest is the input.
pub(crate) fn check_value_input(data: &[u8]) {
    let Some((&choice, input)) = data.split_first() else { return };
    let limits = if choice & 1 == 0 {
        DecodeLimits::default()
    } else {
        DecodeLimits { depth_max: 3, value_bytes_max: 40 }
    };
    let piece_bytes = [1, 2, 3, 5, 8, 13, 64, 1000][usize::from(choice >> 1 & 7)];
    let (whole, whole_error) = decode_in_pieces(input, input.len().max(1), limits);
    let (pieces, pieces_error) = decode_in_pieces(input, piece_bytes, limits);
    // By text: a NaN is not equal to itself.
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    // Which of two faults is seen first may depend on how much has arrived.
    assert_eq!(whole_error.is_some(), pieces_error.is_some());

    let heap_bytes: usize = whole.iter().map(heap_bytes).sum();
    assert!(heap_bytes <= 64 * input.len(), "{heap_bytes} bytes for {}", input.len());
    for value in &whole {
        let bytes = value.to_bytes();
        let (again, error) = decode_in_pieces(&bytes, bytes.len(), DecodeLimits::default());
        assert_eq!(error, None);
        assert_eq!(format!("{again:?}"), format!("{:?}", [value]));
    }
}

/// All values in `input`, and the error that ended them.
pub(crate) fn decode_in_pieces(
    input: &[u8],
    piece_bytes: usize,
    limits: DecodeLimits,
) -> (Vec<Value>, Option<DecodeError>) {
    let mut decoder = Decoder::with_limits(limits);
    let mut buf = Vec::new();
    let mut values = Vec::new();
    for piece in input.chunks(piece_bytes) {
        buf.extend_from_slice(piece);
        loop {
            match decoder.decode(&buf) {
                Ok(None) => break,
                Ok(Some((value, consumed))) => {
                    assert!(consumed > 0 && consumed <= limits.value_bytes_max);
                    values.push(value);
                    buf.drain(..consumed);
                }
                Err(error) => return (values, Some(error)),
            }
        }
    }
    (values, None)
}

/// Bytes a value holds on the heap, by capacity.
fn heap_bytes(value: &Value) -> usize {
    let pairs_bytes = |pairs: &Vec<(Value, Value)>| {
        let inner: usize = pairs.iter().map(|(a, b)| heap_bytes(a) + heap_bytes(b)).sum();
        pairs.capacity() * size_of::<(Value, Value)>() + inner
    };
    match value {
        Value::Simple(text) | Value::Error(text) | Value::Bulk(text) => text.capacity(),
        Value::BigNumber(text) | Value::Verbatim { text, .. } => text.capacity(),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            let inner: usize = items.iter().map(heap_bytes).sum();
            items.capacity() * size_of::<Value>() + inner
        }
        Value::Map(pairs) => pairs_bytes(pairs),
        Value::Attributed { attributes, value } => {
            pairs_bytes(attributes) + size_of::<Value>() + heap_bytes(value)
        }
        _ => 0,
    }
}
