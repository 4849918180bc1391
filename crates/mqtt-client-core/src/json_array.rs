//! A JSON array of payloads, which grows at its end.

use crate::base64::base64;

/// Payloads as the elements of an array: text as a string, anything else as `{"base64":"…"}` (RFC 4648, section 4, with
/// padding).
#[derive(Debug)]
pub(crate) struct JsonArray {
    /// Everything but the closing bracket.
    open: Vec<u8>,
}

impl JsonArray {
    pub(crate) fn of(element: &[u8]) -> Self {
        JsonArray { open: [b"[", element].concat() }
    }

    pub(crate) fn push(&mut self, element: &[u8]) {
        self.open.push(b',');
        self.open.extend_from_slice(element);
    }

    pub(crate) fn close(mut self) -> Vec<u8> {
        self.open.push(b']');
        self.open
    }
}

/// A payload as an element.
pub(crate) fn element(payload: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(payload) {
        Ok(text) => string(text),
        Err(_) => [br#"{"base64":""#, base64(payload).as_bytes(), br#""}"#].concat(),
    }
}

fn string(text: &str) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len() + 2);
    json.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => json.extend_from_slice(&[b'\\', byte]),
            b'\n' => json.extend_from_slice(b"\\n"),
            b'\r' => json.extend_from_slice(b"\\r"),
            b'\t' => json.extend_from_slice(b"\\t"),
            0..0x20 => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => json.push(byte),
        }
    }
    json.push(b'"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_a_string_and_anything_else_base64() {
        let cases: [(&[u8], &str); 10] = [
            (b"", r#""""#),
            (b"21.5", r#""21.5""#),
            ("grün".as_bytes(), r#""grün""#),
            (br#"{"a":"\"}"#, r#""{\"a\":\"\\\"}""#),
            (b"a\nb\tc\rd", r#""a\nb\tc\rd""#),
            (b"\0\x1f\x7f", "\"\\u0000\\u001f\x7f\""),
            (b"\xff", r#"{"base64":"/w=="}"#),
            (b"\xff\xfe", r#"{"base64":"//4="}"#),
            (b"\xff\xfe\xfd", r#"{"base64":"//79"}"#),
            (b"\xff\xfe\xfd\x00", r#"{"base64":"//79AA=="}"#),
        ];
        for (payload, expected) in cases {
            let json = element(payload);
            assert_eq!(String::from_utf8_lossy(&json), expected);
            let mut array = JsonArray::of(&json);
            array.push(&json);
            let array: serde_json::Value = serde_json::from_slice(&array.close()).expect("JSON");
            assert_eq!(array.as_array().map(Vec::len), Some(2));
            if let Ok(text) = std::str::from_utf8(payload) {
                assert_eq!(array[0], text);
            }
        }
    }
}
