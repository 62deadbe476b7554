//! From notation to [`Pattern`], by recursive descent.

use std::str::FromStr;

use super::{Pair, Pattern};
use crate::Value;
use crate::value::is_bare;

/// Longest time that passes as "a moment ago": generous, for test machines under load.
const MOMENT_MS: i64 = 60_000;

impl FromStr for Pattern {
    type Err = String;

    /// Parses the whole text as one expected reply.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text, at: 0 };
        let pattern = parser.pattern()?;
        parser.skip_blanks();
        if parser.at < text.len() {
            return Err(format!("left over: {:?}", parser.rest()));
        }
        Ok(pattern)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes `token` if it comes next, after blanks.
    fn take(&mut self, token: &str) -> bool {
        self.skip_blanks();
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("no {token:?} at {:?}", self.rest())) }
    }

    fn pattern(&mut self) -> Result<Pattern, String> {
        self.skip_blanks();
        let rest = self.rest();
        if self.take("[") {
            let (items, open) = self.items()?;
            return Ok(Pattern::Array { items, open });
        }
        if self.take("~[") {
            return Ok(Pattern::Set(self.items()?.0));
        }
        if self.take(">[") {
            return Ok(Pattern::Push(self.items()?.0));
        }
        if rest.starts_with([',', '#', '(']) {
            self.at += 1;
            return scalar(&rest[..1], self.word()?);
        }
        if self.take("{") {
            return self.map();
        }
        if self.take("<") {
            return self.wildcard();
        }
        if self.take("+<like ") {
            return Ok(Pattern::SimpleLike(self.starred()?));
        }
        if self.take("+") {
            return Ok(Pattern::Simple(into_text(self.string()?)?));
        }
        if self.take("=") {
            return Ok(Pattern::Verbatim(self.string()?));
        }
        if rest.starts_with("-\"") {
            self.at += 1;
            let text = into_text(self.string()?)?;
            return Ok(match self.take("<any>") {
                true => Pattern::ErrorStart(text),
                false => Pattern::Error(text),
            });
        }
        if rest.starts_with('"') {
            return Ok(Pattern::Bulk(self.string()?));
        }
        self.word_or_entry()
    }

    fn word_or_entry(&mut self) -> Result<Pattern, String> {
        let word = self.word()?;
        if self.rest().starts_with('{') {
            self.at += 1;
            return self.entry(word);
        }
        Ok(match word {
            "nil" => Pattern::Nil,
            "nil-array" => Pattern::NilArray,
            "null" => Pattern::Null,
            _ => match word.parse() {
                Ok(int) => Pattern::Int(int, int),
                Err(_) => Pattern::Bulk(word.as_bytes().to_vec()),
            },
        })
    }

    fn entry(&mut self, id: &str) -> Result<Pattern, String> {
        let mut fields = Vec::new();
        while !self.take("}") {
            self.skip_blanks();
            fields.push(match self.take("<text>") {
                true => Pattern::text(),
                false => Pattern::Bulk(self.string()?),
            });
        }
        let fields = Pattern::Array { items: fields, open: false };
        let id = Pattern::Bulk(id.as_bytes().to_vec());
        Ok(Pattern::Array { items: vec![id, fields], open: false })
    }

    fn items(&mut self) -> Result<(Vec<Pattern>, bool), String> {
        let mut items = Vec::new();
        loop {
            if self.take("]") {
                return Ok((items, false));
            }
            if self.take("...") {
                self.expect("]")?;
                return Ok((items, true));
            }
            items.push(self.pattern()?);
            if !self.take(",") {
                self.expect("]")?;
                return Ok((items, false));
            }
        }
    }

    fn map(&mut self) -> Result<Pattern, String> {
        let mut pairs = Vec::new();
        let mut paired = false;
        let mut open = false;
        loop {
            if self.take("}") {
                return Ok(Pattern::Map { pairs, paired, open });
            }
            if self.take("...") {
                open = true;
                self.expect("}")?;
                return Ok(Pattern::Map { pairs, paired, open });
            }
            let key = self.key()?;
            let optional = self.take("?");
            if self.take("=>") {
                paired = true;
            } else {
                self.expect(":")?;
            }
            pairs.push(Pair { key, value: self.pattern()?, optional });
            if !self.take(",") {
                self.expect("}")?;
                return Ok(Pattern::Map { pairs, paired, open });
            }
        }
    }

    /// A key of a map: a string, unless it is an integer without quotes.
    fn key(&mut self) -> Result<Pattern, String> {
        self.skip_blanks();
        let quoted = self.rest().starts_with('"');
        let text = self.string()?;
        let int = str::from_utf8(&text).ok().filter(|_| !quoted).and_then(|text| text.parse().ok());
        Ok(int.map_or(Pattern::Bulk(text), |int| Pattern::Int(int, int)))
    }

    /// What follows `<`.
    fn wildcard(&mut self) -> Result<Pattern, String> {
        if self.take("has ") {
            self.skip_blanks();
            let text = self.string()?;
            self.expect(">")?;
            return Ok(Pattern::Has(text));
        }
        if self.take("like ") {
            return Ok(Pattern::Like(self.starred()?));
        }
        let end = self.rest().find('>').ok_or("no \">\" after \"<\"")?;
        let word = &self.rest()[..end];
        self.at += end + 1;
        if let Some((low, high)) = word.split_once("..") {
            let bound = |text: &str| text.parse().map_err(|_| format!("no range: <{word}>"));
            return Ok(Pattern::Int(bound(low)?, bound(high)?));
        }
        let (kind, name) = match word.split_once(':') {
            Some((kind, name)) => (kind, Some(name.to_owned())),
            None => (word, None),
        };
        match kind {
            "any" => Ok(Pattern::Any),
            "int" => Ok(Pattern::AnyInt(name)),
            "text" => Ok(Pattern::text()),
            "id" => Ok(Pattern::Id(name)),
            "bytes" => Ok(Pattern::Bytes(name)),
            "ms" => Ok(Pattern::Int(0, MOMENT_MS)),
            "unix-ms" => Ok(Pattern::UnixMs),
            _ => Err(format!("unknown wildcard <{word}>")),
        }
    }

    /// What follows `<like`: the parts between the stars.
    fn starred(&mut self) -> Result<Vec<Vec<u8>>, String> {
        self.skip_blanks();
        let text = self.string()?;
        self.expect(">")?;
        Ok(text.split(|b| *b == b'*').map(<[u8]>::to_vec).collect())
    }

    /// A quoted string or a bare word.
    fn string(&mut self) -> Result<Vec<u8>, String> {
        if !self.rest().starts_with('"') {
            return Ok(self.word()?.as_bytes().to_vec());
        }
        let (bytes, used) = unquote(self.rest())?;
        self.at += used;
        Ok(bytes)
    }

    /// A bare word; a colon at its end belongs to the map around it.
    fn word(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let end = rest.bytes().position(|b| !is_bare(b)).unwrap_or(rest.len());
        let word = rest[..end].trim_end_matches(':');
        if word.is_empty() {
            return Err(format!("no reply starts with {rest:?}"));
        }
        self.at += word.len();
        Ok(word)
    }
}

fn scalar(sigil: &str, word: &str) -> Result<Pattern, String> {
    Ok(Pattern::Scalar(match (sigil, word) {
        ("#", "true") => Value::Bool(true),
        ("#", "false") => Value::Bool(false),
        (",", _) => Value::Double(word.to_owned()),
        ("(", _) => Value::BigNumber(word.to_owned()),
        _ => return Err(format!("{sigil}{word} is no boolean")),
    }))
}

fn into_text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "a status or an error is text".to_owned())
}

/// The bytes of the double-quoted string at the front of `text`, and its length with the quotes.
///
/// # Errors
/// When the quote is not closed or an escape is unknown.
pub(crate) fn unquote(text: &str) -> Result<(Vec<u8>, usize), String> {
    let mut bytes = Vec::new();
    let raw = text.as_bytes();
    let mut at = 1;
    loop {
        match raw.get(at) {
            None => return Err(format!("unclosed quote: {text}")),
            Some(b'"') => return Ok((bytes, at + 1)),
            Some(b'\\') => {
                let escaped = raw.get(at + 1).ok_or("unclosed escape")?;
                at += 2;
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'x' => {
                        let digits = text.get(at..at + 2).ok_or("two digits follow \\x")?;
                        at += 2;
                        u8::from_str_radix(digits, 16).map_err(|e| format!("\\x{digits}: {e}"))?
                    }
                    other => *other,
                });
            }
            Some(byte) => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
}
