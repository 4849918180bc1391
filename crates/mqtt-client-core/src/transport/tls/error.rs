//! [`TlsError`]: why a connection could not be sealed, in terms of what can be done about it.

use std::io;
use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::error_texts::error_texts;

/// Why there is no encrypted connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    File {
        /// Which.
        path: PathBuf,
        /// The system's own word.
        problem: String,
    },
    /// A certificate or a key can't be used.
    Unusable {
        /// `certificate authority`, `client certificate`, `client key`.
        what: &'static str,
        /// Why.
        problem: String,
    },
    /// The client's key is encrypted, and the options have no password for it.
    KeyPasswordMissing,
    /// The client's key is encrypted with another password.
    KeyPasswordWrong,
    /// The client's key is encrypted, and the feature `encrypted-keys` is off.
    KeyDecryptionOff,
    /// The client's key is encrypted as OpenSSL did it before PKCS#8 (`Proc-Type: 4,ENCRYPTED`), which is not supported.
    KeyEncryptedTraditionally,
    /// The system trusts no authority, and the options name none.
    NoAuthorities,
    /// There is no cryptography: no process-wide provider is installed, and the feature `ring` is off.
    NoProvider,
    /// What the certificate should be made out to is neither a host name nor an address.
    ServerName(String),
    /// No authority that is trusted has signed the server's certificate.
    UnknownAuthority,
    /// The server's certificate is no longer valid.
    Expired,
    /// The server's certificate is not valid yet; perhaps the clock is wrong.
    NotYetValid,
    /// The server's certificate is made out to somebody else.
    WrongHost {
        /// The name it was asked for.
        expected: String,
        /// The names it has.
        presented: Vec<String>,
    },
    /// The server's certificate is fine, but its key is none of those that are pinned.
    WrongKey,
    /// Anything else that is wrong with the server's certificate.
    Certificate(CertificateError),
    /// The server wants a certificate of the client, and got none.
    ClientCertificateRequired,
    /// The server does not like the client's certificate, or something else; this is the alert that it sent.
    Refused(AlertDescription),
    /// Client and server have no version, cipher suite or application protocol in common.
    Incompatible(String),
    /// What the server sent is not TLS: perhaps the port is one for plain connections.
    NotTls,
    /// The server hung up in the middle of the handshake: perhaps the port is one for plain connections.
    Closed,
    /// Anything else.
    Other(Error),
}

error_texts!(TlsError {
    Self::File { path, problem } => "reading {}: {problem}", path.display();
    Self::Unusable { what, problem } => "the {what}: {problem}";
    Self::KeyPasswordMissing => "the client key is encrypted, and there is no password for it";
    Self::KeyPasswordWrong => "the client key is encrypted with another password";
    Self::KeyDecryptionOff =>
        "the client key is encrypted: decrypt it first, or enable the feature `encrypted-keys`";
    Self::KeyEncryptedTraditionally =>
        "the client key is encrypted in OpenSSL's old way, which is not supported: convert it by `openssl pkcs8 -topk8`";
    Self::NoAuthorities => "the system has no certificate authorities; name one";
    Self::NoProvider => "rustls has no crypto provider: install one, or enable the feature `ring`";
    Self::ServerName(name) => "{name:?} is neither a host name nor an address";
    Self::UnknownAuthority => "the server's certificate is not signed by a trusted authority";
    Self::Expired => "the server's certificate has expired";
    Self::NotYetValid => "the server's certificate is not valid yet";
    Self::WrongHost { expected, presented } =>
        "the server's certificate is not made out to {expected}, but to {}", presented.join(", ");
    Self::WrongKey => "the server's key is not the pinned one";
    Self::Certificate(error) => "the server's certificate is not acceptable: {error}";
    Self::ClientCertificateRequired => "the server requires a client certificate";
    Self::Refused(alert) => "the server refused the TLS connection: {alert:?}";
    Self::Incompatible(what) => "no common ground with the server's TLS: {what}";
    Self::NotTls => "the server does not speak TLS on this port";
    Self::Closed => "the server closed the connection during the TLS handshake; is the port one for TLS?";
    Self::Other(error) => "TLS: {error}";
});

impl TlsError {
    /// In the words of an attempt. `first`: nothing that the server has sent has been understood so far.
    pub(super) fn from_rustls(error: Error, first: bool) -> Self {
        match error {
            Error::InvalidCertificate(error) => error.into(),
            Error::InvalidMessage(_) if first => TlsError::NotTls,
            Error::AlertReceived(AlertDescription::CertificateRequired) => {
                TlsError::ClientCertificateRequired
            }
            Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol => {
                TlsError::Incompatible("application protocol (ALPN)".into())
            }
            Error::AlertReceived(AlertDescription::ProtocolVersion) => {
                TlsError::Incompatible("version".into())
            }
            Error::AlertReceived(alert) => TlsError::Refused(alert),
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
                TlsError::Incompatible("cipher suites".into())
            }
            Error::PeerIncompatible(why) => TlsError::Incompatible(format!("{why:?}")),
            other => TlsError::Other(other),
        }
    }
}

#[cfg(feature = "quic")]
impl TlsError {
    /// What a QUIC connection failed over, which has nothing but an alert's number and the words that came with it. The alert may
    /// be the client's own.
    pub fn from_alert(alert: u8, words: String) -> Self {
        match AlertDescription::from(alert) {
            // The second: signed by somebody who only has the name of one that is trusted.
            AlertDescription::UnknownCA | AlertDescription::DecryptError => TlsError::UnknownAuthority,
            AlertDescription::CertificateExpired => TlsError::Expired,
            AlertDescription::CertificateRequired => TlsError::ClientCertificateRequired,
            AlertDescription::NoApplicationProtocol => {
                TlsError::Incompatible("application protocol (ALPN)".into())
            }
            _ => TlsError::Other(Error::General(words)),
        }
    }
}

impl From<CertificateError> for TlsError {
    fn from(error: CertificateError) -> Self {
        match error {
            // Signed by somebody who only has the name of one that is trusted.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsError::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsError::NotYetValid
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                TlsError::WrongHost { expected: expected.to_str().into_owned(), presented }
            }
            CertificateError::ApplicationVerificationFailure => TlsError::WrongKey,
            other => TlsError::Certificate(other),
        }
    }
}

/// A transport's error travels as the reason of an I/O error, and is found again by [`Failure`](crate::Failure).
impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
