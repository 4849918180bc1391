//! The flags of TLS, with mosquitto's names.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use mqtt_tokio::{TlsOptions, TlsVersion};

use crate::outcome::{Exit, Failure};
use crate::values;

/// Whom the program believes over TLS, and what it shows.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Encryption {
    /// Trust the authorities in this file, not the system's; with -h: connect by TLS
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,

    /// Trust the authorities in this directory, not the system's; with -h: connect by TLS
    #[arg(long, value_name = "DIR")]
    capath: Option<PathBuf>,

    /// Trust the system's authorities, besides those named; with -h: connect by TLS
    #[arg(long)]
    tls_use_os_certs: bool,

    /// Show the broker this certificate
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The key to the certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// The file with the password of an encrypted key, on its first line; a password in a flag would be in the list of processes
    #[arg(long, value_name = "FILE", requires = "key")]
    keypass_file: Option<PathBuf>,

    /// Application protocol to offer, such as x-amzn-mqtt-ca
    #[arg(long, value_name = "PROTOCOL")]
    tls_alpn: Option<String>,

    /// TLS version: tlsv1.2 or tlsv1.3 [default: both]
    #[arg(long, value_name = "VERSION", value_parser = values::tls_version)]
    tls_version: Option<TlsVersion>,

    /// DANGEROUS: accept a certificate that is made out to another host
    #[arg(long)]
    insecure: bool,
}

impl Encryption {
    /// What the flags say; `None`: there are none.
    pub(crate) fn options(&self) -> Result<Option<TlsOptions>, Failure> {
        let Encryption {
            cafile, capath, tls_use_os_certs, cert, key, tls_alpn, tls_version, insecure, ..
        } = self;
        let given =
            [cafile.is_some(), capath.is_some(), cert.is_some(), tls_alpn.is_some(), tls_version.is_some()];
        if !given.contains(&true) && !tls_use_os_certs && !insecure {
            return Ok(None);
        }
        let mut tls = TlsOptions::new();
        if let Some(path) = cafile {
            tls = tls.ca_file(path);
        }
        if let Some(path) = capath {
            tls = tls.ca_directory(path);
        }
        if *tls_use_os_certs {
            tls = tls.system_roots();
        }
        if let (Some(cert), Some(key)) = (cert, key) {
            tls = tls.client_auth_files(cert, key);
        }
        if let Some(path) = &self.keypass_file {
            tls = tls.client_key_password(first_line(path)?);
        }
        if let Some(protocol) = tls_alpn {
            tls = tls.alpn([protocol.as_str()]);
        }
        if let Some(version) = tls_version {
            tls = tls.only(*version);
        }
        if *insecure {
            tls = tls.dangerously_accept_any_host_name();
        }
        Ok(Some(tls))
    }
}

/// Without a copy: the options wipe what they are given.
fn first_line(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = fs::read(path)
        .map_err(|error| Failure::new(Exit::Here, format!("--keypass-file: {}: {error}", path.display())))?;
    if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        bytes.truncate(end);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    #[test]
    fn a_password_is_a_files_first_line() {
        let path = env::temp_dir().join(format!("mqtt-keypass-{}", process::id()));
        for (contents, password) in
            [("pw", "pw"), ("p w \n", "p w "), ("pw\r\n", "pw"), ("pw\n\nnote\n", "pw"), ("", "")]
        {
            fs::write(&path, contents).unwrap();
            assert_eq!(first_line(&path).unwrap(), password.as_bytes(), "{contents:?}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(first_line(&path).unwrap_err().exit, Exit::Here);
    }
}
