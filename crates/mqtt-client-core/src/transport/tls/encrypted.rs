//! Encrypted client keys: PKCS#8 with the second scheme of PKCS#5, which is what OpenSSL and most others write.

use std::ops::RangeInclusive;

use pkcs8::pkcs5::{self, pbes2::Kdf};
use pkcs8::{EncryptedPrivateKeyInfoRef, Error};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;
use super::config::{is_pem, unusable};
use super::key::{ENCRYPTED, KEY};
use crate::base64::from_base64;
use crate::secret::Secret;

/// RFC 8018 has ten million for especially critical keys; it takes seconds.
const PBKDF2_ROUNDS: RangeInclusive<u32> = 1..=10_000_000;

/// The product of scrypt's parameters, each of which is at least 1: what OWASP recommends takes 128 MiB, and is the most. Besides,
/// pkcs5 0.8 panics at a cost of 0.
const SCRYPT_WORK: RangeInclusive<u64> = 1..=1 << 20;

/// The key that this is with the password.
pub(super) fn decrypted(bytes: &[u8], password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let Some(password) = password else { return Err(TlsError::KeyPasswordMissing) };
    let decoded;
    let der = match is_pem(bytes) {
        true => {
            decoded = from_pem(bytes).ok_or_else(|| unusable(KEY, "the PEM data is damaged"))?;
            &decoded[..]
        }
        false => bytes,
    };
    let key = EncryptedPrivateKeyInfoRef::try_from(der).map_err(unsupported)?;
    if key.encryption_algorithm.pbes2().is_some_and(|scheme| !is_affordable(&scheme.kdf)) {
        return Err(unusable(KEY, "its encryption asks for more work than a client should do, or for none"));
    }
    match key.decrypt(&**password) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        // The second: one wrong password in 256 leaves what looks like padding, and then no key.
        Err(Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) | Error::Asn1(_)) => {
            Err(TlsError::KeyPasswordWrong)
        }
        Err(error) => Err(unsupported(error)),
    }
}

/// Whoever can replace the file shall not be able to stop the client with it.
fn is_affordable(kdf: &Kdf) -> bool {
    match kdf {
        Kdf::Pbkdf2(params) => PBKDF2_ROUNDS.contains(&params.iteration_count),
        Kdf::Scrypt(params) => {
            let work = u64::from(params.block_size) * u64::from(params.parallelization);
            SCRYPT_WORK.contains(&work.saturating_mul(params.cost_parameter))
        }
        _ => false,
    }
}

/// The section with the encrypted key, whatever stands around it.
fn from_pem(bytes: &[u8]) -> Option<Vec<u8>> {
    let begin = bytes.windows(ENCRYPTED.len()).position(|window| window == ENCRYPTED)? + ENCRYPTED.len();
    let section = bytes.get(begin..)?;
    let end = section.windows(5).position(|window| window == b"-----")?;
    let text = std::str::from_utf8(section.get(..end)?).ok()?;
    from_base64(&text.split_ascii_whitespace().collect::<String>())
}

fn unsupported(error: Error) -> TlsError {
    let problem = format!("it can't be decrypted ({error}); openssl pkcs8 -topk8 converts it");
    unusable(KEY, problem)
}

#[cfg(test)]
mod tests {
    use pkcs8::PrivateKeyInfoRef;
    use pkcs8::pkcs5::pbes2::{EncryptionScheme, Parameters, Pbkdf2Params, Pbkdf2Prf, Salt, ScryptParams};

    use super::super::key::private_key;
    use super::*;
    use crate::base64::base64;

    const PASSWORD: &str = "hunter2";

    /// By `openssl genpkey -algorithm ed25519 -aes-256-cbc` of OpenSSL 3.0.19: PBKDF2 with SHA-256, 2048 rounds.
    const BY_OPENSSL: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgb2SdLCGS+aQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKLnykAvCBiRAPQMixryMdgEQOVs
pjz2ze9J1YUGtwidQ8j+dzU+aMUg5B8zM3ShqaESqrY3htY3uStY8/PDt6TU3Fz5
EoNb9A0kFbSyOQ0KGvs=
-----END ENCRYPTED PRIVATE KEY-----\n";

    /// An Ed25519 key in PKCS#8.
    fn plain() -> Vec<u8> {
        let head = [0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 0x22, 4, 0x20];
        [&head[..], &[0x5A; 32]].concat()
    }

    fn pbkdf2(iteration_count: u32, prf: Pbkdf2Prf) -> Kdf {
        let salt = Salt::new(b"table salt").unwrap();
        Pbkdf2Params { salt, iteration_count, key_length: None, prf }.into()
    }

    fn scrypt(cost_parameter: u64, block_size: u16, parallelization: u16) -> Kdf {
        let salt = Salt::new(b"table salt").unwrap();
        ScryptParams { salt, cost_parameter, block_size, parallelization, key_length: None }.into()
    }

    fn encrypted(kdf: Kdf) -> Vec<u8> {
        let parameters = Parameters { kdf, encryption: EncryptionScheme::Aes256Cbc { iv: [7; 16] } };
        let plain = plain();
        let key = PrivateKeyInfoRef::try_from(&plain[..]).unwrap();
        key.encrypt_with_params(parameters, PASSWORD).unwrap().as_bytes().to_vec()
    }

    /// The same key with other parameters in its header, so that nobody has to do the work.
    fn claiming(kdf: Kdf) -> Vec<u8> {
        use pkcs8::der::Encode as _;
        let der = encrypted(pbkdf2(1, Pbkdf2Prf::HmacWithSha256));
        let mut key = EncryptedPrivateKeyInfoRef::try_from(&der[..]).unwrap();
        let encryption = EncryptionScheme::Aes256Cbc { iv: [7; 16] };
        key.encryption_algorithm = Parameters { kdf, encryption }.into();
        key.to_der().unwrap()
    }

    fn pem(der: &[u8], width: usize, end: &str) -> Vec<u8> {
        let text = base64(der);
        let lines = text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap());
        let lines: String = lines.map(|line| format!("{line}{end}")).collect();
        let mark = |word| format!("-----{word} ENCRYPTED PRIVATE KEY-----{end}");
        format!("a word before{end}{}{lines}{}a word after{end}", mark("BEGIN"), mark("END")).into_bytes()
    }

    fn with(bytes: &[u8], password: &str) -> Result<Vec<u8>, TlsError> {
        let key = private_key(bytes, Some(&Secret::new(password.into())))?;
        Ok(key.secret_der().to_vec())
    }

    #[test]
    fn the_password_opens_what_it_closed() {
        for kdf in [
            pbkdf2(2048, Pbkdf2Prf::HmacWithSha256),
            pbkdf2(10, Pbkdf2Prf::HmacWithSha512),
            scrypt(1 << 10, 8, 1),
        ] {
            let der = encrypted(kdf);
            for bytes in [der.clone(), pem(&der, 64, "\n"), pem(&der, 76, "\r\n")] {
                assert_eq!(with(&bytes, PASSWORD), Ok(plain()));
                assert_eq!(private_key(&bytes, None).unwrap_err(), TlsError::KeyPasswordMissing);
            }
        }
        // A password for a key that needs none does no harm.
        assert_eq!(with(&plain(), PASSWORD), Ok(plain()));
    }

    #[test]
    fn a_key_that_openssl_made_is_opened() {
        assert_eq!(with(BY_OPENSSL, PASSWORD).unwrap().len(), plain().len());
        assert_eq!(with(BY_OPENSSL, "hunter3"), Err(TlsError::KeyPasswordWrong));
    }

    #[test]
    fn any_other_password_is_wrong_and_not_told() {
        let der = encrypted(pbkdf2(1, Pbkdf2Prf::HmacWithSha256));
        // Some of them leave what looks like padding.
        for n in 0..2000 {
            let error = with(&der, &format!("guess {n}")).unwrap_err();
            assert_eq!(error, TlsError::KeyPasswordWrong);
            assert!(!error.to_string().contains("guess"), "{error}");
        }
    }

    #[test]
    fn no_key_makes_the_client_work_for_long() {
        for kdf in [
            pbkdf2(0, Pbkdf2Prf::HmacWithSha256),
            pbkdf2(10_000_001, Pbkdf2Prf::HmacWithSha256),
            pbkdf2(u32::MAX, Pbkdf2Prf::HmacWithSha512),
            scrypt(0, 8, 1),
            scrypt(1 << 14, 0, 1),
            scrypt(1 << 14, 8, 0),
            scrypt(1 << 18, 8, 1),
            scrypt(1 << 17, 8, 2),
            scrypt(1 << 63, u16::MAX, u16::MAX),
        ] {
            let error = with(&claiming(kdf), PASSWORD).unwrap_err();
            assert!(matches!(&error, TlsError::Unusable { what: KEY, .. }), "{error}");
            assert!(error.to_string().contains("work"), "{error}");
        }
    }

    #[test]
    fn what_is_not_supported_or_damaged_is_told() {
        let der = encrypted(pbkdf2(1, Pbkdf2Prf::HmacWithSha256));
        let whole = pem(&der, 64, "\n");
        let cut = &whole[..whole.len() / 2];
        let mut strange = der.clone();
        strange[8] ^= 1; // In the scheme's number.
        for (bytes, part) in [
            (&claiming(pbkdf2(1, Pbkdf2Prf::HmacWithSha1))[..], "openssl pkcs8 -topk8"),
            (&claiming(scrypt(3, 8, 1)), "openssl pkcs8 -topk8"),
            (&strange, "openssl pkcs8 -topk8"),
            (&der[..der.len() - 1], "openssl pkcs8 -topk8"),
            (cut, "damaged"),
            (&pem(b"\0\0", 64, "*\n"), "damaged"),
        ] {
            let error = with(bytes, PASSWORD).unwrap_err();
            assert!(matches!(&error, TlsError::Unusable { what: KEY, .. }), "{error}");
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains(PASSWORD), "{error}");
        }
    }
}
