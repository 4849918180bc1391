//! The client's key: PEM or DER, plain or encrypted.

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::TlsError;
use super::config::{contains, is_pem, unusable};
#[cfg(feature = "encrypted-keys")]
use super::encrypted::decrypted;
use crate::secret::Secret;

pub(super) const KEY: &str = "client key";

/// How PKCS#8 begins a key that is encrypted.
pub(super) const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// The key as rustls takes it.
pub(super) fn private_key(
    bytes: &[u8],
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    if contains(bytes, b"Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::KeyEncryptedTraditionally);
    }
    if contains(bytes, ENCRYPTED) || is_encrypted_der(bytes) {
        return decrypted(bytes, password);
    }
    match is_pem(bytes) {
        true => PrivateKeyDer::from_pem_slice(bytes).map_err(|error| unusable(KEY, error)),
        false => PrivateKeyDer::try_from(bytes.to_vec()).map_err(|problem| unusable(KEY, problem)),
    }
}

#[cfg(not(feature = "encrypted-keys"))]
fn decrypted(_: &[u8], _: Option<&Secret>) -> Result<PrivateKeyDer<'static>, TlsError> {
    Err(TlsError::KeyDecryptionOff)
}

/// All kinds of keys are sequences. The plain ones begin with a number, an encrypted one with another sequence: what encrypts it.
fn is_encrypted_der(bytes: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    let [SEQUENCE, length, rest @ ..] = bytes else { return false };
    // A length of 128 or more is told in as many bytes as the low bits say.
    let more = if *length < 0x80 { 0 } else { length & 0x7F };
    rest.get(usize::from(more)) == Some(&SEQUENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssls_own_encryption_is_refused_with_what_to_do() {
        let key = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
            DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let password = Secret::new(b"hunter2".to_vec());
        for password in [None, Some(&password)] {
            let error = private_key(key, password).unwrap_err();
            assert_eq!(error, TlsError::KeyEncryptedTraditionally);
            assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}");
        }
    }

    #[test]
    fn encrypted_der_is_told_from_plain() {
        for (bytes, encrypted) in [
            (&[0x30, 0x05, 0x30, 0x00][..], true),
            (&[0x30, 0x81, 0x80, 0x30], true),
            (&[0x30, 0x82, 0x01, 0x00, 0x30], true),
            (&[0x30, 0x2E, 0x02, 0x01, 0x00], false),
            (&[0x30, 0x82, 0x04, 0xA4, 0x02], false),
            (&[0x30, 0xFF, 0x30], false),
            (&[0x30], false),
            (&[], false),
        ] {
            assert_eq!(is_encrypted_der(bytes), encrypted, "{bytes:x?}");
        }
    }
}
