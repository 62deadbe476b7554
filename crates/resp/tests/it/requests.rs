//! Requests: properties over arbitrary input, exact error texts, limits, hostile lengths.

use crate::checks::{check_request_input, parse_in_pieces, parse_pieces, reference, small_limits};
use millstream_resp::{ProtocolError, RequestBatch, RequestLimits, RequestParser, encode_command};
use proptest::prelude::*;

/// The requests in `input`, then the error reply, as a server would see and send them.
fn run(input: &[u8], limits: &RequestLimits) -> (reference::Requests, String) {
    let outcome = parse_in_pieces(input, input.len(), limits, 1000);
    let mut reply = Vec::new();
    if let Some(error) = outcome.error {
        error.write_reply(&mut reply);
    }
    (outcome.requests, reply.escape_ascii().to_string())
}

fn error_reply(input: &[u8]) -> String {
    let (requests, reply) = run(input, &RequestLimits::default());
    assert!(requests.is_empty(), "{}", input.escape_ascii());
    reply
}

/// Bytes that are more often protocol than chance would have it.
fn wire_soup() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => (0usize..30).prop_map(|n| format!("${n}\r\n{}\r\n", "x".repeat(n)).into_bytes()),
        4 => (-2i64..6).prop_map(|n| format!("*{n}\r\n").into_bytes()),
        3 => prop::sample::select(vec![
            &b"\r\n"[..], b"\n", b"\r", b"*", b"$", b"\"", b"'", b" ", b"\\x4f", b"\\", b"PING\r\n",
            b"ECHO \"a b\" 'c'\n", b"*1\r\n$4\r\nPING\r\n", b"$0100\r\n", b"*99999999999\r\n",
            b"$536870912\r\n", b"*11\r\n", b"*41\r\n", b"$16385\r\n", b"$201\r\n", b"\0",
        ]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(token, 0..20).prop_map(|tokens| tokens.concat())
}

fn command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..150), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_parsed_as_the_reference_does(
        data in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        check_request_input(&data);
    }

    #[test]
    fn protocol_like_bytes_are_parsed_as_the_reference_does(choice: u8, soup in wire_soup()) {
        let mut data = vec![choice];
        data.extend(soup);
        check_request_input(&data);
    }

    #[test]
    fn commands_survive_encoding_and_any_cut(
        commands in prop::collection::vec(command(), 1..8),
        piece_bytes in 1usize..300,
        count_max in 1usize..10,
    ) {
        let mut wire = Vec::new();
        for command in &commands {
            encode_command(command, &mut wire);
        }
        let outcome = parse_in_pieces(&wire, piece_bytes, &RequestLimits::default(), count_max);
        prop_assert_eq!(outcome.error, None);
        prop_assert_eq!(outcome.consumed, wire.len());
        prop_assert_eq!(outcome.requests, commands);
    }
}

/// Inputs and what a live Redis 8.6 answered.
#[test]
fn error_texts_are_those_of_redis() {
    let cases: [(&[u8], &str); 21] = [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*-9223372036854775809\r\n", "invalid multibulk length"),
        (b"*1\n$4\nPING\n\r\n", "invalid multibulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$04\r\n", "invalid bulk length"),
        (b"*1\r\n$abc\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\nX\r\n", "expected '$', got 'X'"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n\0\r\n", "expected '$', got '\\x00'"),
        (b"*1\r\n\xff\r\n", "expected '$', got '\\xff'"),
        (b"ECHO \"abc\r\n", "unbalanced quotes in request"),
        (b"ECHO 'a'b\n", "unbalanced quotes in request"),
    ];
    for (input, text) in cases {
        // `escape_ascii` escapes the quotes of the expected text too.
        let expected = format!("-ERR Protocol error: {}\\r\\n", text.replace('\'', "\\'"));
        assert_eq!(error_reply(input), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn lines_without_end_are_refused_beyond_64_kib() {
    let limit = 64 * 1024;
    let cases: [(&[u8], &str); 4] = [
        (b"", "too big inline request"),
        (b"*", "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
        (b"*1\r\nX", "too big bulk count string"),
    ];
    for (prefix, text) in cases {
        let line_start = prefix.iter().rposition(|&byte| byte == b'\n').map_or(0, |i| i + 1);
        let mut input = prefix.to_vec();
        input.resize(line_start + limit, b'1');
        assert_eq!(error_reply(&input), "", "{limit} bytes may still end");
        input.push(b'1');
        let expected = format!("-ERR Protocol error: {text}\\r\\n");
        assert_eq!(error_reply(&input), expected);
        // The verdict does not depend on whether the end has arrived already.
        input.extend_from_slice(b"\r\n");
        assert_eq!(error_reply(&input), expected);
    }
}

#[test]
fn empty_lines_and_counts_up_to_zero_are_ignored() {
    let input = b"\r\n\n  \r\n*0\r\n*-1\r\n*-99\r\n*-9223372036854775808\r\nPING\n\n*0\r\n";
    let outcome = parse_in_pieces(input, input.len(), &RequestLimits::default(), 1000);
    assert_eq!(outcome.requests, [[b"PING"]]);
    assert_eq!((outcome.consumed, outcome.error), (input.len(), None));
}

#[test]
fn bytes_after_line_ends_and_arguments_are_not_looked_at() {
    for input in [&b"*1\rx$4\ryPINGzz"[..], b"*1\r\n$4\r\nPING\r\r"] {
        assert_eq!(run(input, &RequestLimits::default()).0, [[b"PING"]]);
    }
}

#[test]
fn requests_before_an_error_come_first() {
    let (requests, reply) =
        run(b"PING\r\n*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n", &RequestLimits::default());
    assert_eq!(requests, [[b"PING"], [b"PING"]]);
    assert_eq!(reply, "-ERR Protocol error: invalid multibulk length\\r\\n");
}

#[test]
fn clients_that_have_not_logged_in_get_less() {
    let limits = RequestLimits { unauthenticated: true, ..RequestLimits::default() };
    let error = |input: &[u8]| parse_in_pieces(input, input.len(), &limits, 1).error;
    assert_eq!(error(b"*10\r\n"), None);
    assert_eq!(error(b"*11\r\n"), Some(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(error(b"*2147483648\r\n"), Some(ProtocolError::InvalidMultibulkLength));
    assert_eq!(error(b"*1\r\n$16384\r\n"), None);
    assert_eq!(error(b"*1\r\n$16385\r\n"), Some(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(error(b"PING a a a a a a a a a a a\n"), None);
    let texts = [
        (ProtocolError::UnauthenticatedMultibulkLength, "unauthenticated multibulk length"),
        (ProtocolError::UnauthenticatedBulkLength, "unauthenticated bulk length"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), format!("Protocol error: {text}"));
    }
    // With one request per call the limits may change between AUTH and what follows it.
    let buf = b"*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n*11\r\n$4\r\n";
    let (mut parser, mut batch) = (RequestParser::new(), RequestBatch::new());
    let status = parser.parse(buf, &limits, 1, &mut batch).expect("AUTH is within the limits");
    assert!(status.more);
    let rest = &buf[status.consumed..];
    let status = parser.parse(rest, &RequestLimits::default(), 1, &mut batch);
    assert_eq!(status.map(|status| status.consumed), Ok(0));
}

#[test]
fn a_request_above_its_limit_closes_silently() {
    let limits = small_limits(false);
    let input = b"*2\r\n$200\r\n".iter().copied().chain([b'a'; 202]).chain(*b"$100\r\n");
    let input: Vec<u8> = input.collect();
    let error = parse_in_pieces(&input, 7, &limits, 1).error.expect("the request is too big");
    assert_eq!(error, ProtocolError::RequestTooBig);
    assert!(error.closes_silently());
    let mut reply = Vec::new();
    error.write_reply(&mut reply);
    assert!(reply.is_empty());
}

#[test]
fn announced_sizes_reserve_little() {
    let (mut parser, mut batch) = (RequestParser::new(), RequestBatch::new());
    let mut buf = b"*2147483647\r\n$3\r\nSET\r\n$536870912\r\n".to_vec();
    let status = parser.parse(&buf, &RequestLimits::default(), 1, &mut batch);
    assert_eq!(status.map(|status| status.needed_hint), Ok(1024 * 1024));
    assert!(parser.memory_bytes() + batch.memory_bytes() < 1024);
    buf.resize(3 * 1024 * 1024, b'x');
    let status = parser.parse(&buf, &RequestLimits::default(), 1, &mut batch);
    assert_eq!(status.map(|status| status.needed_hint), Ok(buf.len()));

    // Close to its end an argument asks for what is missing, its line end included.
    let mut parser = RequestParser::new();
    let status = parser.parse(b"*1\r\n$5\r\nab", &RequestLimits::default(), 1, &mut batch);
    assert_eq!(status.map(|status| status.needed_hint), Ok(5));
}

/// What was learnt about a line that had not fully arrived must not be held against the next one.
#[test]
fn every_way_to_cut_in_three_gives_the_same() {
    let limits = RequestLimits::default();
    let inputs = [
        &b"*3\r\n$1\r\nx\r\nX\r\n"[..],
        b"*3\r\n$12\r\nxxxxxxxxxxxx\r\n\r\n",
        b"*1\r\n$1\r\nx\r\n*\r\n",
        b"*12\r\n*\r\n",
        b"PING\n\"\nPING\n",
        b"*2\r\n$100\r\n*1\r\n",
        b"*1\r\n$4\r\nPING\r\nECHO 'a b'\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*-1\r\n*x\r\n",
    ];
    for input in inputs {
        let expected = reference::parse(input, &limits);
        for second in 0..=input.len() {
            for first in 0..=second {
                let pieces = [&input[..first], &input[first..second], &input[second..]];
                let outcome = parse_pieces(pieces.into_iter(), &limits, 1000);
                assert_eq!(outcome, expected, "{} {first} {second}", input.escape_ascii());
            }
        }
    }
}

/// Would take minutes if a partly received request were parsed from its start for every piece.
#[test]
fn a_huge_request_in_small_pieces_takes_linear_time() {
    let args = 400_000;
    let mut wire = format!("*{}\r\n", args + 1).into_bytes();
    wire.extend(b"$0\r\n\r\n".repeat(args));
    let body = vec![b'v'; 4 * 1024 * 1024];
    wire.extend(format!("${}\r\n", body.len()).into_bytes());
    wire.extend(&body);
    wire.extend(b"\r\nPING\r\n");
    let (mut parser, mut batch) = (RequestParser::new(), RequestBatch::new());
    let mut arrived = 0;
    while batch.is_empty() {
        arrived = (arrived + 256).min(wire.len());
        let status = parser.parse(&wire[..arrived], &RequestLimits::default(), 9, &mut batch);
        assert!(status.is_ok());
    }
    assert_eq!(batch.request(0, &wire).len(), args + 1);
    assert_eq!(batch.request(0, &wire).get(args), Some(&body[..]));
    let memory_bytes = batch.memory_bytes();
    assert!(memory_bytes > args * 8);
    batch.clear();
    assert!(batch.memory_bytes() < memory_bytes / 10);
}

#[test]
fn cross_protocol_names_are_recognised() {
    let input = b"POST / HTTP/1.1\r\nHoSt: x\r\nGET /\r\n*1\r\n$4\r\npost\r\n";
    let (mut parser, mut batch) = (RequestParser::new(), RequestBatch::new());
    let status = parser.parse(input, &RequestLimits::default(), 9, &mut batch);
    assert_eq!(status.map(|status| status.consumed), Ok(input.len()));
    let verdicts: Vec<bool> =
        batch.iter(input).map(|request| request.is_cross_protocol()).collect();
    assert_eq!(verdicts, [true, true, false, true]);
}
