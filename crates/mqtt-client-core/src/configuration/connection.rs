//! `[connection]`: where the broker is, and the way there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
#[cfg(feature = "tls")]
use std::path::PathBuf;

use serde::Deserialize;

use super::values::{fault, given, in_range, seconds, secret_text};
use crate::secret::Secret;
use crate::{Endpoint, InvalidOptions, OptionsBuilder, Proxy, TcpKeepAlive, TcpOptions};
#[cfg(feature = "tls")]
use crate::{TlsOptions, TlsVersion};

/// A URL, and a header, may hold a password.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Connection {
    uri: Option<Secret>,
    alternatives: Vec<Secret>,
    headers: BTreeMap<String, Secret>,
    proxy: Option<Secret>,
    tcp_no_delay: Option<bool>,
    tcp_bind: Option<SocketAddr>,
    tcp_keep_alive: Option<KeepAlive>,
    #[cfg(feature = "tls")]
    cafile: Option<PathBuf>,
    #[cfg(feature = "tls")]
    capath: Option<PathBuf>,
    #[cfg(feature = "tls")]
    cadata: Option<String>,
    #[cfg(feature = "tls")]
    system_roots: bool,
    #[cfg(feature = "tls")]
    #[serde(alias = "certificate")]
    certfile: Option<PathBuf>,
    #[cfg(feature = "tls")]
    #[serde(alias = "key")]
    keyfile: Option<PathBuf>,
    #[cfg(feature = "encrypted-keys")]
    keyfile_password: Option<Secret>,
    #[cfg(feature = "tls")]
    alpn: Vec<String>,
    #[cfg(feature = "tls")]
    server_name: Option<String>,
    #[cfg(feature = "tls")]
    tls_version: Option<TlsVersionName>,
    #[cfg(feature = "tls")]
    tls_resumption: Option<bool>,
    #[cfg(feature = "tls")]
    tls_key_log: bool,
    #[cfg(feature = "tls")]
    pinned_public_keys: Vec<String>,
}

/// The probes of TCP, in seconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KeepAlive {
    idle: Option<i64>,
    interval: Option<i64>,
    count: Option<i64>,
}

/// [`TlsVersion`] as a file writes it.
#[cfg(feature = "tls")]
#[derive(Clone, Copy, Debug, Deserialize)]
enum TlsVersionName {
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

impl Connection {
    pub(super) fn apply(&self, mut options: OptionsBuilder) -> Result<OptionsBuilder, InvalidOptions> {
        if let Some(uri) = &self.uri {
            options = options.url(&secret_text(uri));
        }
        for uri in &self.alternatives {
            let endpoint = secret_text(uri).parse::<Endpoint>();
            let endpoint = endpoint.map_err(|error| fault("connection.alternatives", error.to_string()))?;
            options = options.or_endpoint(endpoint);
        }
        options = self.with_headers(options)?;
        options = match &self.proxy {
            None => options,
            Some(proxy) if **proxy == *b"environment" => options.proxy_from_environment(),
            Some(proxy) => {
                let proxy = secret_text(proxy).parse::<Proxy>();
                options.proxy(proxy.map_err(|error| fault("connection.proxy", error.to_string()))?)
            }
        };
        Ok(given(options, self.tcp()?, OptionsBuilder::tcp))
    }

    #[cfg(feature = "websocket")]
    fn with_headers(&self, mut options: OptionsBuilder) -> Result<OptionsBuilder, InvalidOptions> {
        for endpoint in &mut options.options.endpoints {
            for (name, value) in &self.headers {
                *endpoint = endpoint.clone().with_header(name, secret_text(value));
            }
        }
        Ok(options)
    }

    #[cfg(not(feature = "websocket"))]
    fn with_headers(&self, options: OptionsBuilder) -> Result<OptionsBuilder, InvalidOptions> {
        match self.headers.is_empty() {
            true => Ok(options),
            false => Err(fault("connection.headers", "this build has no WebSocket")),
        }
    }

    fn tcp(&self) -> Result<Option<TcpOptions>, InvalidOptions> {
        let Connection { tcp_no_delay, tcp_bind, tcp_keep_alive, .. } = *self;
        if tcp_no_delay.is_none() && tcp_bind.is_none() && tcp_keep_alive.is_none() {
            return Ok(None);
        }
        let keep_alive = tcp_keep_alive.map(KeepAlive::options).transpose()?;
        Ok(Some(TcpOptions { no_delay: tcp_no_delay.unwrap_or(true), keep_alive, bind: tcp_bind }))
    }

    /// How the connection is encrypted, where the file says anything of that.
    #[cfg(feature = "tls")]
    pub(super) fn tls(
        &self,
        check_hostname: bool,
        verify_cert: bool,
    ) -> Result<Option<TlsOptions>, InvalidOptions> {
        #[cfg(feature = "encrypted-keys")]
        if self.keyfile_password.is_some() && self.keyfile.is_none() {
            return Err(fault("connection.keyfile_password", "needs a keyfile"));
        }
        let files = [&self.cafile, &self.capath, &self.certfile, &self.keyfile];
        let says_nothing = files.iter().all(|file| file.is_none())
            && self.cadata.is_none()
            && !self.system_roots
            && self.alpn.is_empty()
            && self.server_name.is_none()
            && self.tls_version.is_none()
            && self.tls_resumption.is_none()
            && !self.tls_key_log
            && self.pinned_public_keys.is_empty();
        if says_nothing && check_hostname && verify_cert {
            return Ok(None);
        }
        let mut tls = self.trust(TlsOptions::new())?;
        tls = match (&self.certfile, &self.keyfile) {
            (Some(certificates), Some(key)) => tls.client_auth_files(certificates, key),
            (Some(_), None) => return Err(fault("connection.certfile", "needs a keyfile")),
            (None, Some(_)) => return Err(fault("connection.keyfile", "needs a certfile")),
            (None, None) => tls,
        };
        #[cfg(feature = "encrypted-keys")]
        if let Some(password) = &self.keyfile_password {
            tls = tls.client_key_password(password.to_vec());
        }
        tls = tls.alpn(self.alpn.iter().map(String::as_bytes)).key_log(self.tls_key_log);
        tls = tls.resumption(self.tls_resumption.unwrap_or(true));
        if let Some(name) = &self.server_name {
            tls = tls.server_name(name);
        }
        tls = match self.tls_version {
            None => tls,
            Some(TlsVersionName::Tls12) => tls.only(TlsVersion::Tls12),
            Some(TlsVersionName::Tls13) => tls.only(TlsVersion::Tls13),
        };
        match (check_hostname, verify_cert) {
            (true, true) => Ok(Some(tls)),
            (false, true) => Ok(Some(tls.dangerously_accept_any_host_name())),
            (false, false) => Ok(Some(tls.dangerously_accept_any_certificate())),
            (true, false) => Err(fault("verify_cert", "can't be off while check_hostname is on")),
        }
    }

    /// Whom the client believes.
    #[cfg(feature = "tls")]
    fn trust(&self, mut tls: TlsOptions) -> Result<TlsOptions, InvalidOptions> {
        if let Some(path) = &self.cafile {
            tls = tls.ca_file(path);
        }
        if let Some(path) = &self.capath {
            tls = tls.ca_directory(path);
        }
        if let Some(pem) = &self.cadata {
            tls = tls.ca(pem.as_bytes());
        }
        if self.system_roots {
            tls = tls.system_roots();
        }
        for digits in &self.pinned_public_keys {
            let digest = sha256_from_hex(digits);
            let problem = "64 hexadecimal digits, the SHA-256 of a SubjectPublicKeyInfo";
            tls = tls.pin_public_key_sha256(
                digest.ok_or_else(|| fault("connection.pinned_public_keys", problem))?,
            );
        }
        Ok(tls)
    }
}

impl KeepAlive {
    fn options(self) -> Result<TcpKeepAlive, InvalidOptions> {
        let TcpKeepAlive { mut idle, mut interval, mut count } = TcpKeepAlive::default();
        let most = u16::MAX.into();
        if let Some(value) = self.idle {
            idle = seconds("connection.tcp_keep_alive.idle", value, 1, most)?;
        }
        if let Some(value) = self.interval {
            interval = seconds("connection.tcp_keep_alive.interval", value, 1, most)?;
        }
        if let Some(value) = self.count {
            count = in_range("connection.tcp_keep_alive.count", value, 1, 127)?;
        }
        Ok(TcpKeepAlive { idle, interval, count })
    }
}

#[cfg(feature = "tls")]
fn sha256_from_hex(digits: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        digits.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok())?
}
