//! [`Scram`]: SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side.
//!
//! ```text
//!   client                                  server
//!     n,,n=user,r=nonce             ->
//!                                   <-      r=nonce+more,s=salt,i=iterations
//!     c=biws,r=nonce+more,p=proof   ->
//!                                   <-      v=signature
//! ```
//!
//! The hash functions are RustCrypto's; the messages are taken apart here, because what a server may ask for has to be bounded:
//! an iteration count without an upper limit is work without end, one without a lower limit gives the password away.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{AuthError, AuthExchange, AuthOccasion, Authenticator};
use crate::InvalidOptions;
use crate::base64::{base64, from_base64};
use crate::secret::Secret;

/// Fewer make a recorded exchange worth guessing at (RFC 7677, section 4).
const MIN_ITERATIONS: u32 = 4096;
/// More than anybody recommends; some tenths of a second.
const MAX_ITERATIONS: u32 = 1_000_000;

/// Random bytes of a nonce.
const NONCE: usize = 24;

/// No channel binding: `n,,` in base 64.
const NO_BINDING: &str = "c=biws";

/// As much as is repeated of what a server says.
const MAX_SAID: usize = 200;

type Key = Zeroizing<[u8; 32]>;

/// SCRAM-SHA-256: shows a server that the client knows the password, without telling it, and makes the server show that it
/// knows it, too. Feature `scram`.
///
/// Both are strings as RFC 4013 (SASLprep) has them. There is no channel binding (`SCRAM-SHA-256-PLUS`): MQTT names no way to
/// agree on one, and TLS has checked the server's certificate. A server is refused that asks for fewer than 4,096 iterations,
/// or for more than a million.
///
/// ```
/// use mqtt_client_core::{Options, Scram};
///
/// let scram = Scram::sha256("device-7", "secret")?;
/// assert!(!format!("{scram:?}").contains("secret"));
/// let options = Options::builder().url("mqtts://broker.example").authenticator(scram).build()?;
/// # Ok::<(), mqtt_client_core::InvalidOptions>(())
/// ```
#[derive(Clone)]
pub struct Scram {
    /// Escaped.
    username: String,
    password: Secret,
}

impl Scram {
    /// With this user name and password.
    ///
    /// # Errors
    /// The user name is empty, or one of them holds what RFC 4013 forbids, control characters above all.
    pub fn sha256(username: &str, password: &str) -> Result<Self, InvalidOptions> {
        let fault = |problem: &str| InvalidOptions::Option { option: "scram", problem: problem.into() };
        // The reason would show the character.
        let Ok(username) = stringprep::saslprep(username) else {
            return Err(fault("the user name holds what RFC 4013 forbids"));
        };
        let Ok(password) = stringprep::saslprep(password) else {
            return Err(fault("the password holds what RFC 4013 forbids"));
        };
        if username.is_empty() {
            return Err(fault("the user name is empty"));
        }
        let username = username.replace('=', "=3D").replace(',', "=2C");
        Ok(Scram { username, password: Secret::new(password.into_owned().into_bytes()) })
    }
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scram").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Authenticator for Scram {
    fn method(&self) -> &str {
        "SCRAM-SHA-256"
    }

    fn begin(&self, occasion: &AuthOccasion) -> Result<Box<dyn AuthExchange>, AuthError> {
        let mut nonce = [0; NONCE];
        occasion.random(&mut nonce)?;
        Ok(Box::new(Conversation::new(self, &base64(&nonce))))
    }
}

/// One exchange.
struct Conversation {
    password: Secret,
    nonce: String,
    /// `n=user,r=nonce`
    first: String,
    state: State,
}

enum State {
    Beginning,
    /// The proof is sent. What is to be signed, and by what key.
    Proven {
        server_key: Key,
        messages: String,
    },
    Over,
}

impl Conversation {
    fn new(scram: &Scram, nonce: &str) -> Self {
        Conversation {
            password: scram.password.clone(),
            nonce: nonce.to_owned(),
            first: format!("n={},r={nonce}", scram.username),
            state: State::Beginning,
        }
    }

    fn prove(&mut self, challenge: &Challenge<'_>) -> String {
        let mut salted = Key::default();
        pbkdf2_hmac::<Sha256>(&self.password, &challenge.salt, challenge.iterations, &mut *salted);
        let mut client_key = sign(&salted, b"Client Key");
        let stored_key = Key::new(Sha256::digest(*client_key).into());
        let unproven = format!("{NO_BINDING},r={}", challenge.nonce);
        let messages = format!("{},{},{unproven}", self.first, challenge.message);
        let signature = sign(&stored_key, messages.as_bytes());
        client_key.iter_mut().zip(*signature).for_each(|(byte, mask)| *byte ^= mask);
        self.state = State::Proven { server_key: sign(&salted, b"Server Key"), messages };
        format!("{unproven},p={}", base64(&*client_key))
    }
}

impl AuthExchange for Conversation {
    fn initial(&mut self) -> Result<Option<Vec<u8>>, AuthError> {
        Ok(Some(format!("n,,{}", self.first).into_bytes()))
    }

    fn answer(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, AuthError> {
        let State::Beginning = self.state else { return Err(nonsense("one challenge more than SCRAM has")) };
        let challenge = Challenge::parse(challenge.unwrap_or_default(), &self.nonce)?;
        Ok(Some(self.prove(&challenge).into_bytes()))
    }

    fn finish(&mut self, last: Option<&[u8]>) -> Result<(), AuthError> {
        let State::Proven { server_key, messages } = std::mem::replace(&mut self.state, State::Over) else {
            return Err(AuthError::ServerNotProven);
        };
        let last = std::str::from_utf8(last.unwrap_or_default()).map_err(|_| AuthError::ServerNotProven)?;
        let (last, _extensions) = last.split_once(',').unwrap_or((last, ""));
        if let Some(error) = last.strip_prefix("e=") {
            let error: String = error.chars().take(MAX_SAID).collect();
            return Err(AuthError::Refused(error.escape_debug().to_string()));
        }
        let signature = last.strip_prefix("v=").and_then(from_base64).ok_or(AuthError::ServerNotProven)?;
        // In constant time.
        mac(&server_key, messages.as_bytes()).verify_slice(&signature).map_err(|_| AuthError::ServerNotProven)
    }
}

/// The server's first message.
struct Challenge<'a> {
    message: &'a str,
    /// The client's, and what the server has added.
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> Challenge<'a> {
    fn parse(bytes: &'a [u8], own_nonce: &str) -> Result<Self, AuthError> {
        let message = std::str::from_utf8(bytes).map_err(|_| nonsense("it is not UTF-8"))?;
        let mut parts = message.split(',');
        let mut part = |name| parts.next().and_then(|part| part.strip_prefix(name));
        let nonce = part("r=").ok_or_else(|| nonsense("it has no nonce where one belongs"))?;
        if nonce.strip_prefix(own_nonce).is_none_or(str::is_empty) {
            return Err(nonsense("its nonce does not continue the client's"));
        }
        let salt = part("s=").and_then(from_base64).filter(|salt| !salt.is_empty());
        let salt = salt.ok_or_else(|| nonsense("it has no salt where one belongs"))?;
        let iterations = part("i=").and_then(|count| count.parse().ok());
        match iterations {
            Some(MIN_ITERATIONS..=MAX_ITERATIONS) => {}
            _ => return Err(nonsense("its iteration count is not between 4096 and 1000000")),
        }
        Ok(Challenge { message, nonce, salt, iterations: iterations.unwrap_or(MIN_ITERATIONS) })
    }
}

fn nonsense(what: &str) -> AuthError {
    AuthError::Protocol(what.to_owned())
}

fn mac(key: &Key, message: &[u8]) -> Hmac<Sha256> {
    // Of a whole block, which takes the place of a key of any length (RFC 2104).
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(&**key);
    let mut mac = Hmac::<Sha256>::new(&(*block).into());
    mac.update(message);
    mac
}

fn sign(key: &Key, message: &[u8]) -> Key {
    Key::new(mac(key, message).finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const PROOF: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SIGNATURE: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn conversation() -> Conversation {
        Conversation::new(&Scram::sha256("user", "pencil").unwrap(), NONCE)
    }

    fn proven() -> Conversation {
        let mut conversation = conversation();
        conversation.answer(Some(CHALLENGE.as_bytes())).unwrap();
        conversation
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        let mut conversation = conversation();
        assert_eq!(conversation.initial().unwrap().unwrap(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = conversation.answer(Some(CHALLENGE.as_bytes())).unwrap().unwrap();
        assert_eq!(String::from_utf8(proof).unwrap(), PROOF);
        assert_eq!(conversation.finish(Some(SIGNATURE.as_bytes())), Ok(()));
        assert_eq!(conversation.finish(Some(SIGNATURE.as_bytes())), Err(AuthError::ServerNotProven));
    }

    #[test]
    fn a_server_has_to_prove_itself() {
        let check = |last: Option<&str>, expected| {
            assert_eq!(proven().finish(last.map(str::as_bytes)), Err(expected), "{last:?}");
        };
        check(None, AuthError::ServerNotProven);
        check(Some(""), AuthError::ServerNotProven);
        check(Some("v="), AuthError::ServerNotProven);
        check(Some("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), AuthError::ServerNotProven);
        check(Some(&SIGNATURE[..20]), AuthError::ServerNotProven);
        check(Some("e=invalid-proof"), AuthError::Refused("invalid-proof".into()));
        check(Some("e=a\nb"), AuthError::Refused("a\\nb".into()));
        let mut unasked = conversation();
        assert_eq!(unasked.finish(Some(SIGNATURE.as_bytes())), Err(AuthError::ServerNotProven));
    }

    #[test]
    fn a_challenge_that_makes_no_sense_or_weakens_the_password_is_not_answered() {
        let full = "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096";
        assert!(conversation().answer(Some(full.as_bytes())).is_ok());
        for (from, to) in [
            ("r=rOprNGfwEbeRWgbNEkqOx", "r=rOprNGfwEbeRWgbNEkqO"),
            ("r=rOprNGfwEbeRWgbNEkqOx", "r=another"),
            ("r=rOpr", "m=ext,r=rOpr"),
            ("s=W22Z", "s=W22"),
            ("s=W22Z", "s="),
            ("s=W22Z,", ""),
            ("i=4096", "i=4095"),
            ("i=4096", "i=1000001"),
            ("i=4096", "i=99999999999999"),
            ("i=4096", "i=-1"),
            (",i=4096", ""),
            (full, ""),
        ] {
            let challenge = full.replace(from, to);
            let answer = conversation().answer(Some(challenge.as_bytes()));
            assert!(matches!(answer, Err(AuthError::Protocol(_))), "{challenge}");
        }
        assert!(conversation().answer(Some(b"\xff")).is_err());
        assert!(conversation().answer(None).is_err());
        assert!(proven().answer(Some(CHALLENGE.as_bytes())).is_err(), "a second time");
    }

    #[test]
    fn names_are_prepared_and_escaped_and_passwords_never_shown() {
        let first = |name| Conversation::new(&Scram::sha256(name, "x").unwrap(), "N").first;
        assert_eq!(first("a,b=c"), "n=a=2Cb=3Dc,r=N");
        assert_eq!(first("I\u{ad}X"), "n=IX,r=N", "RFC 4013, section 3");
        for (name, password) in [("", "x"), ("a\u{7}", "x"), ("a", "secret\u{7}")] {
            let error = Scram::sha256(name, password).unwrap_err();
            assert!(!error.to_string().contains("secret") && !format!("{error:?}").contains("secret"));
        }
    }
}
