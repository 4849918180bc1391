//! Who is believed: the checks of a server's certificate.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::hash::HashAlgorithm;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, SupportedCipherSuite,
};

use super::TlsError;

/// What of a certificate is checked, from all to nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum Trust {
    #[default]
    Checked,
    AnyHostName,
    Anything,
}

/// rustls's own checks, as far as they are trusted to be needed, and pins.
#[derive(Debug)]
pub(super) struct Verifier {
    /// `None`: nothing is checked but the proof that the server has the key.
    chain: Option<Arc<WebPkiServerVerifier>>,
    trust: Trust,
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(super) fn new(
        roots: RootCertStore,
        trust: Trust,
        pins: Vec<[u8; 32]>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let chain = match trust {
            Trust::Anything => None,
            _ => {
                let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
                Some(builder.build().map_err(|error| TlsError::Unusable {
                    what: "certificate authority",
                    problem: error.to_string(),
                })?)
            }
        };
        Ok(Verifier { chain, trust, pins, provider })
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> Result<bool, Error> {
        if self.pins.is_empty() {
            return Ok(true);
        }
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let sha256 = self
            .provider
            .cipher_suites
            .iter()
            .map(hash_of)
            .find(|hash| hash.algorithm() == HashAlgorithm::SHA256);
        let Some(sha256) = sha256 else { return Err(Error::General("no SHA-256".into())) };
        let digest = sha256.hash(&key);
        Ok(self.pins.iter().any(|pin| pin == digest.as_ref()))
    }
}

fn hash_of(suite: &SupportedCipherSuite) -> &'static dyn rustls::crypto::hash::Hash {
    match suite {
        SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
        SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            let checked =
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
            match checked {
                // The name is looked at last: everything else is in order.
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) if self.trust == Trust::AnyHostName => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        match self.is_pinned(end_entity)? {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
