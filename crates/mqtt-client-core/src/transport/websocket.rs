//! [`WebSocket`]: MQTT in WebSocket frames, in memory (section 6 of both versions of MQTT, RFC 6455).
//!
//! tungstenite has the formats: frame headers, the server's HTTP answer, the accept key. Its whole connection would keep each
//! message until it is complete, and log what is in it; here the bytes of a frame are handed on as they come, so that no frame
//! is too large, and none takes memory.

use std::io;
use std::io::Cursor;

use bytes::{Buf, BufMut, BytesMut};
use tungstenite::handshake::client::Response;
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::http::StatusCode;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{Entropy, base64, http_head};
use crate::Endpoint;
use crate::error_texts::error_texts;

/// The longest frame header: 2 bytes, 8 of length, 4 of mask.
const HEADER: usize = 14;
/// A control frame carries no more.
const CONTROL: usize = 125;
/// Answers to pings that may wait to be written. Whoever asks without listening gets no more.
const PONGS: usize = 16 * 1024;

/// Why a WebSocket could not be opened, or ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The server answered with another status than 101: 404 for a wrong path, 401 or 403 for missing credentials.
    Status(u16),
    /// What the server answered is not HTTP.
    NotHttp,
    /// The server's answer is not that of a WebSocket, or longer than 16 KiB.
    Answer(&'static str),
    /// The server hung up in the middle of the handshake.
    Hangup,
    /// The server sent a text frame; MQTT goes in binary ones.
    Text,
    /// The server broke the rules of WebSocket.
    Protocol(&'static str),
    /// The server ended the WebSocket, and not because all was well (1000).
    Closed {
        /// The status code; 1005 if there was none.
        code: u16,
        /// The server's explanation, perhaps empty.
        reason: String,
    },
}

error_texts!(WebSocketError {
    Self::Status(status) => "the server answered the WebSocket request with HTTP status {status}";
    Self::NotHttp => "the server does not speak HTTP on this port";
    Self::Answer(problem) => "the server's answer to the WebSocket request: {problem}";
    Self::Hangup => "the server closed the connection during the WebSocket handshake";
    Self::Text => "the server sent a text frame over the WebSocket, where MQTT goes in binary ones";
    Self::Protocol(problem) => "the server broke the WebSocket protocol: {problem}";
    Self::Closed { code, reason } => "the server closed the WebSocket: {}", closing_words(*code, reason);
});

fn closing_words(code: u16, reason: &str) -> String {
    if reason.is_empty() { code.to_string() } else { format!("{code}, {}", reason.escape_debug()) }
}

impl From<WebSocketError> for io::Error {
    fn from(error: WebSocketError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

pub(super) struct WebSocket {
    entropy: Entropy,
    /// The request is sent, and this is the answer's key; `None` once it has come.
    accept: Option<String>,
    frame: Frame,
    /// A message whose last frame is still to come.
    unfinished: bool,
    ended: bool,
}

/// Where in a frame the server is.
enum Frame {
    Header,
    /// So many bytes of MQTT are still to come.
    Data(u64),
    /// A control frame of so many bytes.
    Control(Control, usize),
}

impl WebSocket {
    /// Begins: appends the request.
    pub(super) fn new(endpoint: &Endpoint, entropy: Entropy, sending: &mut BytesMut) -> io::Result<Self> {
        let mut nonce = [0; 16];
        entropy(&mut nonce)?;
        let key = base64(&nonce);
        let host = endpoint.authority();
        // Piece by piece, into memory that need not grow: path and headers may hold a secret, of which no copy is to stay behind.
        let headers: usize =
            endpoint.headers().iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        sending.reserve(endpoint.path().len() + host.len() + headers + 256);
        for piece in [
            "GET ",
            endpoint.path(),
            " HTTP/1.1\r\nHost: ",
            &host,
            "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
            &key,
            "\r\nSec-WebSocket-Protocol: mqtt\r\n",
        ] {
            sending.extend_from_slice(piece.as_bytes());
        }
        for (name, value) in endpoint.headers() {
            for piece in [name, ": ", value, "\r\n"] {
                sending.extend_from_slice(piece.as_bytes());
            }
        }
        sending.extend_from_slice(b"\r\n");
        let accept = Some(derive_accept_key(key.as_bytes()));
        Ok(WebSocket { entropy, accept, frame: Frame::Header, unfinished: false, ended: false })
    }

    /// Looks at the server's answer; whether it is there.
    pub(super) fn handshake(&mut self, received: &mut BytesMut) -> Result<bool, WebSocketError> {
        let Some(accept) = &self.accept else { return Ok(true) };
        if !received.is_empty() && !b"HTTP".starts_with(&received[..received.len().min(4)]) {
            return Err(WebSocketError::NotHttp);
        }
        let Some(head) = http_head(received).map_err(WebSocketError::Answer)? else { return Ok(false) };
        let response = match Response::try_parse(&head) {
            Ok(Some((_, response))) => response,
            _ => return Err(WebSocketError::NotHttp),
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(WebSocketError::Status(response.status().as_u16()));
        }
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let has =
            |name, word: &str| header(name).split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
        if !has("upgrade", "websocket") || !has("connection", "upgrade") {
            return Err(WebSocketError::Answer("no upgrade to a WebSocket"));
        }
        if header("sec-websocket-accept") != accept {
            return Err(WebSocketError::Answer("the key does not fit"));
        }
        if header("sec-websocket-protocol") != "mqtt" {
            return Err(WebSocketError::Answer("the subprotocol is not mqtt"));
        }
        if response.headers().contains_key("sec-websocket-extensions") {
            return Err(WebSocketError::Answer("an extension that was not asked for"));
        }
        self.accept = None;
        Ok(true)
    }

    /// Takes frames apart: appends their bytes to `input`, and what they call for to `sending`. False: the server has ended the
    /// WebSocket in good order.
    pub(super) fn receive(
        &mut self,
        received: &mut BytesMut,
        input: &mut BytesMut,
        sending: &mut BytesMut,
    ) -> io::Result<bool> {
        while !received.is_empty() && !self.ended {
            let moved = match self.frame {
                Frame::Header => self.header(received),
                Frame::Data(left) => {
                    let count = usize::try_from(left).map_or(received.len(), |left| left.min(received.len()));
                    input.extend_from_slice(&received[..count]);
                    received.advance(count);
                    self.frame = match left - count as u64 {
                        0 => Frame::Header,
                        left => Frame::Data(left),
                    };
                    Ok(true)
                }
                Frame::Control(_, len) if received.len() < len => Ok(false),
                Frame::Control(kind, len) => {
                    let payload = received.split_to(len);
                    self.frame = Frame::Header;
                    self.control(kind, &payload, sending)?;
                    Ok(true)
                }
            };
            match moved {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let code: u16 = if error == WebSocketError::Text { 1003 } else { 1002 };
                    self.frame_out(OpCode::Control(Control::Close), &code.to_be_bytes(), sending)?;
                    return Err(error.into());
                }
            }
        }
        Ok(!self.ended)
    }

    /// Appends the header of a binary frame, and returns the mask of its payload, which is the caller's to append.
    pub(super) fn begin_frame(&mut self, len: usize, sending: &mut BytesMut) -> io::Result<[u8; 4]> {
        self.frame_header(OpCode::Data(Data::Binary), len, sending)
    }

    /// Says that nothing follows.
    pub(super) fn close(&mut self, sending: &mut BytesMut) -> io::Result<()> {
        if self.accept.is_some() || self.ended {
            return Ok(());
        }
        self.frame_out(OpCode::Control(Control::Close), &1000_u16.to_be_bytes(), sending)
    }

    /// False: it is not complete.
    fn header(&mut self, received: &mut BytesMut) -> Result<bool, WebSocketError> {
        let mut cursor = Cursor::new(&received[..received.len().min(HEADER)]);
        let (header, len) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(false),
            Err(_) => return Err(WebSocketError::Protocol("an unknown kind of frame")),
        };
        let wrong = |what| Err(WebSocketError::Protocol(what));
        if header.mask.is_some() {
            return wrong("a masked frame");
        }
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return wrong("a reserved bit");
        }
        self.frame = match (header.opcode, self.unfinished) {
            (OpCode::Data(Data::Text), _) => return Err(WebSocketError::Text),
            (OpCode::Data(Data::Binary), false) | (OpCode::Data(Data::Continue), true) => {
                self.unfinished = !header.is_final;
                if len == 0 { Frame::Header } else { Frame::Data(len) }
            }
            (OpCode::Data(Data::Binary), true) => return wrong("a message within another one"),
            (OpCode::Data(_), _) => return wrong("a continuation of nothing"),
            (OpCode::Control(_), _) if !header.is_final => return wrong("a control frame in pieces"),
            (OpCode::Control(kind), _) => match usize::try_from(len) {
                Ok(len) if len <= CONTROL => Frame::Control(kind, len),
                _ => return wrong("a control frame of more than 125 bytes"),
            },
        };
        let end = cursor.position() as usize;
        received.advance(end);
        Ok(true)
    }

    fn control(&mut self, kind: Control, payload: &[u8], sending: &mut BytesMut) -> io::Result<()> {
        match kind {
            Control::Ping if sending.len() < PONGS => {
                self.frame_out(OpCode::Control(Control::Pong), payload, sending)
            }
            Control::Close => {
                self.ended = true;
                self.frame_out(OpCode::Control(Control::Close), &payload[..payload.len().min(2)], sending)?;
                let code = match payload {
                    [high, low, ..] => u16::from_be_bytes([*high, *low]),
                    _ => 1005,
                };
                if code == 1000 {
                    return Ok(());
                }
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                let reason = reason.escape_debug().to_string();
                Err(WebSocketError::Closed { code, reason }.into())
            }
            _ => Ok(()),
        }
    }

    fn frame_out(&mut self, opcode: OpCode, payload: &[u8], sending: &mut BytesMut) -> io::Result<()> {
        let mask = self.frame_header(opcode, payload.len(), sending)?;
        put_masked(payload, mask, 0, sending);
        Ok(())
    }

    fn frame_header(&mut self, opcode: OpCode, len: usize, sending: &mut BytesMut) -> io::Result<[u8; 4]> {
        let mut mask = [0; 4];
        (self.entropy)(&mut mask)?;
        let header = FrameHeader { opcode, mask: Some(mask), ..FrameHeader::default() };
        header.format(len as u64, &mut sending.writer()).map_err(io::Error::other)?;
        Ok(mask)
    }
}

/// Appends payload, masked; `before`: how much of the frame's payload precedes it.
pub(super) fn put_masked(payload: &[u8], mut mask: [u8; 4], before: usize, sending: &mut BytesMut) {
    mask.rotate_left(before % 4);
    let start = sending.len();
    sending.extend_from_slice(payload);
    for (byte, mask) in sending[start..].iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_entropy(bytes: &mut [u8]) -> io::Result<()> {
        bytes.fill(7);
        Ok(())
    }

    fn begun() -> (WebSocket, String) {
        let endpoint = Endpoint::websocket("h", 80, "/mqtt?t=1").with_header("X-Token", "secret");
        let mut sending = BytesMut::new();
        let websocket = WebSocket::new(&endpoint, no_entropy, &mut sending).unwrap();
        (websocket, String::from_utf8(sending.to_vec()).unwrap())
    }

    fn answer(change: impl FnOnce(&str) -> String) -> BytesMut {
        let (websocket, _) = begun();
        let text = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
            websocket.accept.unwrap()
        );
        change(&text).into_bytes().as_slice().into()
    }

    fn opened() -> WebSocket {
        let (mut websocket, _) = begun();
        assert_eq!(websocket.handshake(&mut answer(str::to_owned)), Ok(true));
        websocket
    }

    // [3.1.1 MQTT-6.0.0-3] [5.0 MQTT-6.0.0-3]
    #[test]
    fn the_request_offers_mqtt_and_carries_path_and_headers() {
        let (_, request) = begun();
        assert!(request.starts_with("GET /mqtt?t=1 HTTP/1.1\r\nHost: h\r\n"), "{request}");
        for line in
            ["Sec-WebSocket-Protocol: mqtt", "X-Token: secret", "Sec-WebSocket-Key: BwcHBwcHBwcHBwcHBwcHBw=="]
        {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
        }
        assert!(request.ends_with("\r\n\r\n"));
    }

    #[test]
    fn an_answer_is_taken_in_any_pieces_and_what_follows_it_stays() {
        let mut all = answer(str::to_owned);
        all.extend_from_slice(b"next");
        let (mut websocket, _) = begun();
        let mut received = BytesMut::new();
        let complete = all.len() - 4;
        for (at, byte) in all.iter().enumerate() {
            received.extend_from_slice(&[*byte]);
            assert_eq!(websocket.handshake(&mut received), Ok(at + 1 >= complete), "byte {at}");
        }
        assert_eq!(received, b"next"[..]);
    }

    #[test]
    fn a_wrong_answer_is_told_for_what_it_is() {
        let check = |change: fn(&str) -> String, expected: WebSocketError| {
            assert_eq!(begun().0.handshake(&mut answer(change)), Err(expected));
        };
        check(|_| "HTTP/1.1 404 Not Found\r\n\r\n".into(), WebSocketError::Status(404));
        check(|_| "\x20\x02\0\x05".into(), WebSocketError::NotHttp);
        check(|_| "HTTP what\r\n\r\n".into(), WebSocketError::NotHttp);
        check(|text| text.replace("mqtt", "chat"), WebSocketError::Answer("the subprotocol is not mqtt"));
        check(|text| text.replace("Accept: ", "Accept: x"), WebSocketError::Answer("the key does not fit"));
        check(
            |text| text.replace("Upgrade: W", "Other: W"),
            WebSocketError::Answer("no upgrade to a WebSocket"),
        );
        check(
            |text| text.replace("Connection", "Sec-WebSocket-Extensions: deflate\r\nConnection"),
            WebSocketError::Answer("an extension that was not asked for"),
        );
        check(
            |_| format!("HTTP/1.1 101 x\r\nx: {}", "y".repeat(20_000)),
            WebSocketError::Answer("its head is longer than 16 KiB"),
        );
    }

    // [3.1.1 MQTT-6.0.0-2] [5.0 MQTT-6.0.0-2]
    #[test]
    fn frames_are_taken_apart_in_any_pieces_whatever_packets_are_in_them() {
        // Half a packet, a ping between the frames of one message, an empty frame, the other half and more.
        let stream = b"\x02\x02ab\x89\x01p\x00\x00\x80\x03cde\x82\x7e\x00\x02fg";
        for piece in 1..=stream.len() {
            let (mut websocket, mut input, mut sending) = (opened(), BytesMut::new(), BytesMut::new());
            let mut received = BytesMut::new();
            for bytes in stream.chunks(piece) {
                received.extend_from_slice(bytes);
                assert!(websocket.receive(&mut received, &mut input, &mut sending).unwrap());
            }
            assert_eq!(input, b"abcdefg"[..], "in pieces of {piece}");
            assert_eq!(sending, b"\x8a\x81\x07\x07\x07\x07w"[..], "PONG, masked: p ^ 7 = w");
        }
    }

    // [3.1.1 MQTT-6.0.0-1] [5.0 MQTT-6.0.0-1]
    #[test]
    fn what_breaks_the_rules_ends_the_connection() {
        let check = |bytes: &[u8], expected: Option<WebSocketError>, code: u16| {
            let (mut websocket, mut sending) = (opened(), BytesMut::new());
            let result = websocket.receive(&mut bytes.into(), &mut BytesMut::new(), &mut sending);
            match expected {
                None => assert!(!result.unwrap()),
                Some(expected) => {
                    let error = result.unwrap_err();
                    assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&expected));
                }
            }
            let [0x88, 0x82, a, b, _, _, high, low] = sending[..] else { panic!("{sending:?}") };
            assert_eq!(u16::from_be_bytes([high ^ a, low ^ b]), code);
        };
        let protocol = |what| Some(WebSocketError::Protocol(what));
        check(b"\x81\x01a", Some(WebSocketError::Text), 1003);
        check(b"\x82\x81abcde", protocol("a masked frame"), 1002);
        check(b"\xc2\x01a", protocol("a reserved bit"), 1002);
        check(b"\x83\x01a", protocol("an unknown kind of frame"), 1002);
        check(b"\x02\x01a\x02\x01b", protocol("a message within another one"), 1002);
        check(b"\x80\x01a", protocol("a continuation of nothing"), 1002);
        check(b"\x09\x01a", protocol("a control frame in pieces"), 1002);
        check(b"\x89\x7e\x01\x00", protocol("a control frame of more than 125 bytes"), 1002);
        check(b"\x88\x02\x03\xe8", None, 1000);
        let gone = WebSocketError::Closed { code: 1001, reason: "bye".into() };
        check(b"\x88\x05\x03\xe9bye", Some(gone), 1001);
    }

    #[test]
    fn who_pings_without_listening_is_not_answered_for_ever() {
        let (mut websocket, mut sending) = (opened(), BytesMut::new());
        let flood = b"\x89\x7d".iter().copied().chain([b'x'; 125]).collect::<Vec<u8>>().repeat(10_000);
        websocket.receive(&mut flood.as_slice().into(), &mut BytesMut::new(), &mut sending).unwrap();
        assert!(sending.len() < 2 * PONGS, "{}", sending.len());
    }

    #[test]
    fn a_payload_in_parts_is_masked_as_a_whole() {
        let (mask, payload) = ([1, 2, 4, 8], b"0123456789");
        let mut whole = BytesMut::new();
        put_masked(payload, mask, 0, &mut whole);
        for split in 0..payload.len() {
            let mut parts = BytesMut::new();
            put_masked(&payload[..split], mask, 0, &mut parts);
            put_masked(&payload[split..], mask, split, &mut parts);
            assert_eq!(parts, whole, "split at {split}");
        }
    }
}
