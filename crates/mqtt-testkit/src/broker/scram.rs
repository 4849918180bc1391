//! [`ScramServer`]: SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, honest or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use mqtt_client_core::shared_helpers::base64;
use mqtt_codec::ReasonCode;
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256};

use super::authenticate::{AuthDialogue, AuthMethod, AuthReply};

/// SCRAM-SHA-256 with users and their passwords, for [`BrokerConfig::authentication`](crate::BrokerConfig::authentication).
/// Salt and nonce are always the same, and passwords are taken as they are: for tests.
///
/// ```
/// use std::sync::Arc;
/// use mqtt_testkit::{BrokerConfig, ScramServer};
///
/// let method = Arc::new(ScramServer::new([("ann", "secret")]));
/// let config = BrokerConfig { authentication: Some(method), ..BrokerConfig::default() };
/// ```
#[derive(Debug, Clone)]
pub struct ScramServer {
    /// User names and passwords.
    pub users: BTreeMap<String, String>,
    /// How often the password is hashed.
    pub iterations: u32,
    /// What is wrong with it.
    pub vice: Option<ScramVice>,
    salt: Vec<u8>,
    nonce: String,
}

/// What an impostor, or a server that is broken, does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramVice {
    /// Accepts everybody, and signs with a password that it guesses.
    SignsWrongly,
    /// Accepts everybody, and signs nothing.
    SignsNothing,
    /// Accepts everybody at once.
    AsksNothing,
    /// Does not answer the client's proof.
    FallsSilent,
}

impl ScramServer {
    /// An honest one, with 4,096 iterations.
    pub fn new<'a>(users: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let users = users.into_iter().map(|(name, password)| (name.to_owned(), password.to_owned()));
        Self {
            users: users.collect(),
            iterations: 4096,
            vice: None,
            salt: b"sixteen of bytes".to_vec(),
            nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned(),
        }
    }

    /// The same with a vice.
    #[must_use]
    pub fn with(self, vice: ScramVice) -> Self {
        Self { vice: Some(vice), ..self }
    }

    fn sign_in(&self, first: &str) -> Option<(String, String, String)> {
        let bare = first.strip_prefix("n,,")?;
        let (name, nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
        let name = name.replace("=2C", ",").replace("=3D", "=");
        let nonce = format!("{nonce}{}", self.nonce);
        let challenge = format!("r={nonce},s={},i={}", base64(&self.salt), self.iterations);
        let password = self.users.get(&name).cloned();
        let password = password.or_else(|| self.vice.map(|_| String::from("guessed")))?;
        Some((format!("{bare},{challenge},c=biws,r={nonce}"), password, challenge))
    }
}

impl AuthMethod for ScramServer {
    fn name(&self) -> &str {
        "SCRAM-SHA-256"
    }

    fn begin(&self) -> Box<dyn AuthDialogue> {
        Box::new(Dialogue { server: Arc::new(self.clone()), signed: None })
    }
}

#[derive(Debug)]
struct Dialogue {
    server: Arc<ScramServer>,
    /// What both sides sign, and the password.
    signed: Option<(String, String)>,
}

impl AuthDialogue for Dialogue {
    fn next(&mut self, data: &[u8]) -> AuthReply {
        let refused = AuthReply::Refuse(ReasonCode::NotAuthorized);
        if self.server.vice == Some(ScramVice::AsksNothing) {
            return AuthReply::Accept(Vec::new());
        }
        let Ok(said) = core::str::from_utf8(data) else { return refused };
        let Some((messages, password)) = self.signed.take() else {
            let Some((messages, password, challenge)) = self.server.sign_in(said) else { return refused };
            self.signed = Some((messages, password));
            return AuthReply::Challenge(challenge.into_bytes());
        };
        let [proof, signature] = sign(&self.server, &password, &messages);
        let proven = said.rsplit_once(",p=").is_some_and(|(unproven, shown)| {
            messages.ends_with(&format!(",{unproven}")) && shown == base64(&proof)
        });
        match self.server.vice {
            None if proven => AuthReply::Accept(format!("v={}", base64(&signature)).into_bytes()),
            None => refused,
            Some(ScramVice::SignsWrongly) => {
                let [_, guessed] = sign(&self.server, "guessed", &messages);
                AuthReply::Accept(format!("v={}", base64(&guessed)).into_bytes())
            }
            Some(ScramVice::FallsSilent) => AuthReply::Silence,
            Some(ScramVice::SignsNothing | ScramVice::AsksNothing) => AuthReply::Accept(Vec::new()),
        }
    }
}

/// The proof that the client has to show, and the server's signature.
fn sign(server: &ScramServer, password: &str, messages: &str) -> [Vec<u8>; 2] {
    let mut salted = [0; 32];
    pbkdf2_hmac::<Sha256>(password.as_bytes(), &server.salt, server.iterations, &mut salted);
    let client_key = hmac(&salted, b"Client Key");
    let client_signature = hmac(&Sha256::digest(&client_key), messages.as_bytes());
    let proof = client_key.iter().zip(&client_signature).map(|(key, mask)| key ^ mask).collect();
    [proof, hmac(&hmac(&salted, b"Server Key"), messages.as_bytes())]
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const PROOF: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SIGNATURE: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn begun() -> Box<dyn AuthDialogue> {
        let salt =
            [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
        let server = ScramServer { salt: salt.to_vec(), ..ScramServer::new([("user", "pencil")]) };
        let mut dialogue = server.begin();
        assert_eq!(dialogue.next(FIRST), AuthReply::Challenge(CHALLENGE.into()));
        dialogue
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        assert_eq!(begun().next(PROOF.as_bytes()), AuthReply::Accept(SIGNATURE.into()));
    }

    #[test]
    fn a_client_has_to_prove_itself() {
        let refused = AuthReply::Refuse(ReasonCode::NotAuthorized);
        for said in [PROOF.replace("p=dH", "p=eH"), PROOF.replace("c=biws", "c=eSws"), String::new()] {
            assert_eq!(begun().next(said.as_bytes()), refused, "{said}");
        }
        let server = ScramServer::new([("user", "pencil")]);
        for first in ["n,,n=nobody,r=x", "y,,n=user,r=x", ""] {
            assert_eq!(server.begin().next(first.as_bytes()), refused, "{first}");
        }
    }
}
