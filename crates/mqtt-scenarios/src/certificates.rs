//! Certificates made on the spot.

use std::sync::Arc;

use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{LineEnding, PrivateKeyInfoRef};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

/// An authority of one's own.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate, and its key.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate as PEM.
    pub certificate: String,
    /// The key as PEM.
    pub key: String,
    /// The key's SubjectPublicKeyInfo as PEM.
    pub public_key: String,
}

impl Authority {
    /// A new one, with a key that nobody else has.
    ///
    /// # Panics
    /// When there is no randomness.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.distinguished_name.push(DnType::CommonName, "an authority of the scenarios");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is randomness");
        let pem = params.self_signed(&key).expect("a key of this kind signs").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these host names or addresses, for servers and clients.
    ///
    /// # Panics
    /// When a name is none.
    pub fn certify(&self, names: &[&str]) -> Certified {
        self.certify_with(names, |_| {})
    }

    /// The same, out of date.
    ///
    /// # Panics
    /// When a name is none.
    pub fn certify_expired(&self, names: &[&str]) -> Certified {
        self.certify_with(names, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        })
    }

    /// A server with a certificate of this authority's, for clients that have one too; it speaks these application protocols.
    ///
    /// # Panics
    /// Never: what was made here can be used.
    pub fn server_for_clients(&self, certified: &Certified, alpn: &[&str]) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("it is PEM");
        roots.add(own).expect("it is an authority's");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        certified.server_with(verifier.expect("there is an authority"), alpn)
    }

    fn certify_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the scenario's names are valid");
        params.distinguished_name.push(DnType::CommonName, "somebody in the scenarios");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("a key of this kind signs").pem();
        Certified { certificate, key: key.serialize_pem(), public_key: key.public_key_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new()
    }
}

impl Certified {
    /// A server that shows this certificate, and speaks these application protocols.
    ///
    /// # Panics
    /// Never: what was made here can be used.
    pub fn server(&self, alpn: &[&str]) -> Arc<ServerConfig> {
        self.server_with(WebPkiClientVerifier::no_client_auth(), alpn)
    }

    /// The key as PEM, encrypted as OpenSSL does it by default.
    ///
    /// # Panics
    /// Never: what was made here can be used.
    pub fn encrypted_key(&self, password: &str) -> String {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("it is PEM");
        let key = PrivateKeyInfoRef::try_from(key.secret_der()).expect("rcgen writes PKCS#8");
        let scheme = Parameters::generate_pbkdf2_sha256_aes256cbc(2048, b"the same", [7; 16]);
        let encrypted = key.encrypt_with_params(scheme.expect("the salt is short"), password);
        let pem = encrypted.expect("any password will do").to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF);
        pem.expect("the label is that of a PEM section").to_string()
    }

    fn server_with(&self, clients: Arc<dyn ClientCertVerifier>, alpn: &[&str]) -> Arc<ServerConfig> {
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("it is PEM")];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("it is PEM");
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring knows both versions")
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .expect("the key is that of the certificate");
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
