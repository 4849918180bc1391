//! From [`TlsOptions`] to rustls's configuration: the files are read, and nothing is built anew that has not changed.

use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
#[cfg(feature = "quic")]
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
#[cfg(feature = "quic")]
use rustls::quic::{ClientConnection, Version};
use rustls::{ClientConfig, ConfigBuilder, KeyLogFile, RootCertStore, SupportedProtocolVersion};
use zeroize::Zeroizing;

use super::key::private_key;
use super::verify::{Trust, Verifier};
use super::{LastTls, Source, TlsError, TlsOptions, TlsVersion};

const AUTHORITY: &str = "certificate authority";
const CERTIFICATE: &str = "client certificate";

/// A configuration, and the bytes it was made of.
pub(super) struct Built {
    material: Material,
    config: Arc<ClientConfig>,
}

/// What certificates and keys are read from.
#[derive(PartialEq)]
struct Material {
    authorities: Vec<Zeroizing<Vec<u8>>>,
    /// The chain, and its key.
    identity: Option<[Zeroizing<Vec<u8>>; 2]>,
}

impl TlsOptions {
    /// The configuration for an attempt. As long as the files are the same it is the last one: sessions are resumed only within
    /// one. May block.
    pub(super) fn config(&self, last: &LastTls) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(own) = &self.own {
            return Ok(Arc::clone(own));
        }
        let material = self.read()?;
        let mut last = last.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = last.as_ref().filter(|built| built.material == material) {
            return Ok(Arc::clone(&built.config));
        }
        let config = Arc::new(self.build(&material)?);
        *last = Some(Built { material, config: Arc::clone(&config) });
        Ok(config)
    }

    /// The same for QUIC, and the server's name.
    #[cfg(feature = "quic")]
    pub(crate) fn quic(&self, last: &LastTls, host: &str) -> Result<(Arc<ClientConfig>, String), TlsError> {
        let mut config = ClientConfig::clone(&*self.config(last)?);
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = vec![b"mqtt".to_vec()];
        }
        let config = Arc::new(config);
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let server = ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()))?;
        // Whether it can be used at all (with TLS 1.2 alone it can't): quinn, which tries it later, would panic.
        ClientConnection::new(Arc::clone(&config), Version::V1, server, Vec::new())
            .map_err(TlsError::Other)?;
        Ok((config, name))
    }

    fn read(&self) -> Result<Material, TlsError> {
        let mut authorities = Vec::new();
        for source in &self.authorities {
            source.read_into(&mut authorities)?;
        }
        let identity = match &self.identity {
            Some(identity) => Some([identity.chain.read()?, identity.key.read()?]),
            None => None,
        };
        Ok(Material { authorities, identity })
    }

    fn build(&self, material: &Material) -> Result<ClientConfig, TlsError> {
        let provider = provider()?;
        let verifier =
            Verifier::new(self.roots(material)?, self.trust, self.pins.clone(), Arc::clone(&provider))?;
        let versions: &[&SupportedProtocolVersion] = match self.version {
            Some(TlsVersion::Tls12) => &[&rustls::version::TLS12],
            Some(TlsVersion::Tls13) => &[&rustls::version::TLS13],
            None => rustls::ALL_VERSIONS,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(TlsError::Other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = self.with_identity(builder, material)?;
        config.alpn_protocols = self.alpn.clone();
        if self.no_resumption {
            config.resumption = Resumption::disabled();
        }
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(config)
    }

    fn with_identity(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
        material: &Material,
    ) -> Result<ClientConfig, TlsError> {
        let Some([chain, key]) = &material.identity else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(chain, CERTIFICATE)?;
        let key = private_key(key, self.key_password.as_ref())?;
        builder.with_client_auth_cert(chain, key).map_err(|error| unusable(CERTIFICATE, error))
    }

    fn roots(&self, material: &Material) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if self.trust == Trust::Anything {
            return Ok(roots);
        }
        let named = !self.authorities.is_empty();
        let alone = self.authorities.iter().all(|source| !matches!(source, Source::Directory(_)));
        for bytes in &material.authorities {
            match certificates(bytes, AUTHORITY) {
                Ok(certificates) => {
                    for certificate in certificates {
                        roots.add(certificate).map_err(|error| unusable(AUTHORITY, error))?;
                    }
                }
                Err(error) if alone => return Err(error),
                Err(_) => {} // Of a directory's files some may be anything else.
            }
        }
        if !named || self.system_roots {
            // What the system has and rustls can't read, it does without.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(roots) }
    }
}

impl Source {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        match self {
            Source::File(path) | Source::Directory(path) => read_file(path),
            Source::Memory(bytes) => Ok(Zeroizing::clone(bytes)),
        }
    }

    fn read_into(&self, all: &mut Vec<Zeroizing<Vec<u8>>>) -> Result<(), TlsError> {
        let Source::Directory(directory) = self else {
            all.push(self.read()?);
            return Ok(());
        };
        let fault = |error| file_error(directory, &error);
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).map_err(fault)? {
            paths.push(entry.map_err(fault)?.path());
        }
        paths.sort(); // The order of a directory is the file system's mood.
        for path in paths.iter().filter(|path| path.is_file()) {
            all.push(read_file(path)?);
        }
        Ok(())
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    fs::read(path).map(Zeroizing::new).map_err(|error| file_error(path, &error))
}

fn file_error(path: &Path, error: &std::io::Error) -> TlsError {
    TlsError::File { path: path.to_owned(), problem: error.to_string() }
}

fn provider() -> Result<Arc<CryptoProvider>, TlsError> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(Arc::clone(installed));
    }
    #[cfg(feature = "ring")]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(feature = "ring"))]
    Err(TlsError::NoProvider)
}

fn certificates(bytes: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    if !is_pem(bytes) {
        return Ok(vec![CertificateDer::from(bytes.to_vec())]);
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(unusable(what, "no certificate in the PEM data")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(what, error)),
    }
}

pub(super) fn is_pem(bytes: &[u8]) -> bool {
    contains(bytes, b"-----BEGIN ")
}

pub(super) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

pub(super) fn unusable(what: &'static str, problem: impl ToString) -> TlsError {
    TlsError::Unusable { what, problem: problem.to_string() }
}
