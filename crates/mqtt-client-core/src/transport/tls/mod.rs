//! TLS by rustls: [`TlsOptions`], and the layer that seals a connection with them.

mod config;
#[cfg(feature = "encrypted-keys")]
mod encrypted;
mod error;
mod key;
mod layer;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::ClientConfig;
use zeroize::Zeroizing;

use config::Built;
pub use error::TlsError;
pub(super) use layer::Tls;
use verify::Trust;

use crate::secret::Secret;

/// How `mqtts://` and `wss://` are encrypted, and whom the client believes.
///
/// By default the server's certificate has to be signed by an authority that the system trusts, be valid now, and be made out
/// to the host of the endpoint; TLS 1.2 and 1.3 are spoken, and sessions are resumed.
///
/// Files are read again before each attempt at a connection, so that a certificate can be replaced without a restart.
///
/// ```
/// use mqtt_client_core::{Options, TlsOptions};
///
/// let tls = TlsOptions::new()
///     .ca_file("/etc/ssl/site-ca.pem")
///     .client_auth_files("/etc/mqtt/device.pem", "/etc/mqtt/device.key")
///     .alpn(["x-amzn-mqtt-ca"]);
/// let options = Options::builder().url("mqtts://broker.example:443").tls(tls).build()?;
/// # Ok::<(), mqtt_client_core::InvalidOptions>(())
/// ```
///
/// The cryptography is rustls's process-wide provider, if one is installed, and else `ring` (feature `ring`).
#[derive(Clone, Default)]
pub struct TlsOptions {
    authorities: Vec<Source>,
    system_roots: bool,
    identity: Option<Identity>,
    /// Without the feature `encrypted-keys` there never is one.
    key_password: Option<Secret>,
    alpn: Vec<Vec<u8>>,
    server_name: Option<String>,
    version: Option<TlsVersion>,
    no_resumption: bool,
    key_log: bool,
    pins: Vec<[u8; 32]>,
    trust: Trust,
    own: Option<Arc<ClientConfig>>,
}

/// What was made of some options last. With it, one attempt resumes the session of another.
#[derive(Clone, Default)]
pub(crate) struct LastTls(Arc<Mutex<Option<Built>>>);

/// A version of TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Where certificates or a key come from.
#[derive(Clone)]
enum Source {
    File(PathBuf),
    Directory(PathBuf),
    /// PEM or DER.
    Memory(Arc<Zeroizing<Vec<u8>>>),
}

/// A certificate chain, and the key to its first certificate.
#[derive(Clone)]
struct Identity {
    chain: Source,
    key: Source,
}

impl TlsOptions {
    /// The defaults.
    pub fn new() -> Self {
        TlsOptions::default()
    }

    /// A rustls configuration of the caller's own, used as it is. Besides it only [`server_name`](Self::server_name) counts;
    /// other settings are refused when the options are built.
    pub fn from_config(config: impl Into<Arc<ClientConfig>>) -> Self {
        TlsOptions { own: Some(config.into()), ..TlsOptions::default() }
    }

    /// Trusts the authorities in this file, PEM or DER, in place of the system's. May be called again for more.
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Self {
        self.authority(Source::File(path.into()))
    }

    /// Trusts the authorities in all files of this directory, in place of the system's. Files that hold no certificate are
    /// passed over.
    pub fn ca_directory(self, path: impl Into<PathBuf>) -> Self {
        self.authority(Source::Directory(path.into()))
    }

    /// Trusts these authorities, PEM or DER, in place of the system's.
    pub fn ca(self, certificates: impl Into<Vec<u8>>) -> Self {
        self.authority(Source::memory(certificates))
    }

    /// Trusts what the system trusts, besides the authorities that are named here. Default: only if none is.
    pub fn system_roots(mut self) -> Self {
        self.system_roots = true;
        self
    }

    /// Shows the server this certificate, with those that lead from it to an authority, and proves it with this key; PEM or
    /// DER. An encrypted key needs its password: `client_key_password`, with the feature `encrypted-keys`.
    pub fn client_auth_files(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity =
            Some(Identity { chain: Source::File(certificates.into()), key: Source::File(key.into()) });
        self
    }

    /// The same from memory. The key is wiped from there when the last clone of these options goes.
    pub fn client_auth(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity { chain: Source::memory(certificates), key: Source::memory(key) });
        self
    }

    /// The password of a client key that is encrypted: PKCS#8, as in `-----BEGIN ENCRYPTED PRIVATE KEY-----`, with AES by PBKDF2
    /// or scrypt, which is what `openssl` and most others write. A key that is not encrypted needs none. The password is wiped
    /// from memory when the last clone of these options goes.
    ///
    /// The key is decrypted once for as long as the files stay the same, on the thread that connects: at OpenSSL's 2048 rounds in
    /// about a millisecond. A key that asks for more than ten million rounds of PBKDF2, or for more than 128 MiB, is refused.
    ///
    /// ```
    /// use mqtt_client_core::{Options, TlsOptions};
    ///
    /// # let read_password = || "what the service manager hands over".to_owned();
    /// let tls = TlsOptions::new()
    ///     .client_auth_files("/etc/mqtt/device.pem", "/etc/mqtt/device.key")
    ///     .client_key_password(read_password());
    /// let options = Options::builder().url("mqtts://broker.example").tls(tls).build()?;
    /// # Ok::<(), mqtt_client_core::InvalidOptions>(())
    /// ```
    #[cfg(feature = "encrypted-keys")]
    pub fn client_key_password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.key_password = Some(Secret::new(password.into()));
        self
    }

    /// Application protocols that are offered (ALPN), in order of preference; a server that answers with another one is
    /// refused. Default: none.
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The name that the server's certificate has to be made out to, and that it is asked for (SNI). Default: the host of the
    /// endpoint.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Speaks this version alone. Default: 1.2 and 1.3.
    pub fn only(mut self, version: TlsVersion) -> Self {
        self.version = Some(version);
        self
    }

    /// Whether a later connection may resume the TLS session of an earlier one, which saves a round trip in 1.2, and work in
    /// both. Default: yes.
    pub fn resumption(mut self, resumption: bool) -> Self {
        self.no_resumption = !resumption;
        self
    }

    /// Writes the keys of each connection to the file that the environment variable `SSLKEYLOGFILE` names, if it is set, for
    /// tools such as Wireshark. **Whoever has the file can read the connection.** Default: no.
    pub fn key_log(mut self, key_log: bool) -> Self {
        self.key_log = key_log;
        self
    }

    /// Besides being valid, the server's certificate has to hold this public key: the SHA-256 of its SubjectPublicKeyInfo, as
    /// in curl's `--pinnedpubkey`. Called again: or that one, so that a key can be replaced.
    pub fn pin_public_key_sha256(mut self, digest: [u8; 32]) -> Self {
        self.pins.push(digest);
        self
    }

    /// Accepts a certificate that is made out to another host. **Whoever holds any certificate of a trusted authority can
    /// then pass for the broker.**
    pub fn dangerously_accept_any_host_name(mut self) -> Self {
        self.trust = self.trust.max(Trust::AnyHostName);
        self
    }

    /// Accepts any certificate at all; pins still count. **Anybody on the way can then pass for the broker, and read and
    /// change everything, passwords too.** For tests.
    pub fn dangerously_accept_any_certificate(mut self) -> Self {
        self.trust = Trust::Anything;
        self
    }

    /// What makes no sense.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let TlsOptions { authorities, identity, key_password, alpn, version, pins, trust, own, .. } = self;
        let changed = !authorities.is_empty()
            || identity.is_some()
            || key_password.is_some()
            || !alpn.is_empty()
            || version.is_some()
            || !pins.is_empty()
            || *trust != Trust::Checked
            || self.system_roots
            || self.no_resumption
            || self.key_log;
        if own.is_some() && changed {
            return Some(
                "a rustls configuration of one's own leaves nothing else to set but the server name",
            );
        }
        if key_password.is_some() && identity.is_none() {
            return Some("the password of a client key needs the key");
        }
        if alpn.iter().any(|protocol| protocol.is_empty() || protocol.len() > 255) {
            return Some("an ALPN protocol has 1 to 255 bytes");
        }
        None
    }

    fn authority(mut self, source: Source) -> Self {
        self.authorities.push(source);
        self
    }
}

impl Source {
    fn memory(bytes: impl Into<Vec<u8>>) -> Self {
        Source::Memory(Arc::new(Zeroizing::new(bytes.into())))
    }
}

impl fmt::Debug for TlsOptions {
    /// Where things come from, never what they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("authorities", &self.authorities)
            .field("identity", &self.identity.as_ref().map(|identity| (&identity.chain, &identity.key)))
            .field("server_name", &self.server_name)
            .field("trust", &self.trust)
            .field("own", &self.own.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LastTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastTls")
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) | Source::Directory(path) => path.fmt(f),
            Source::Memory(_) => f.write_str("memory"),
        }
    }
}
