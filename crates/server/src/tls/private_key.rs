//! The server's key, from its file.

use std::path::Path;

use pkcs8::der::Decode as _;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{TlsError, small_file};

const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// Of the way in which OpenSSL encrypted keys before there was a standard.
const OLD_WAY: &str = "Proc-Type: 4,ENCRYPTED";

/// Reads the first key of a file; `passphrase` is only for one that is encrypted.
pub(super) fn read(path: &Path, passphrase: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = small_file::read(path).map_err(|source| TlsError::Read {
        setting: "tls-key-file",
        path: path.to_owned(),
        source,
    })?;
    parse(&pem, passphrase).map_err(|why| TlsError::BadKey { path: path.to_owned(), why })
}

fn parse(pem: &[u8], passphrase: &str) -> Result<PrivateKeyDer<'static>, String> {
    let text = String::from_utf8_lossy(pem);
    if let Some(begin) = text.find(ENCRYPTED_BEGIN) {
        let end = text[begin..].find(ENCRYPTED_END).ok_or("the key has no end")?;
        return decrypt(&text[begin..begin + end + ENCRYPTED_END.len()], passphrase);
    }
    if text.contains(OLD_WAY) {
        return Err("the key is encrypted in a way that is broken by now: convert it by \
                    `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
            .to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound => "there is no private key (PEM)".to_owned(),
        other => format!("this is no private key (PEM): {other}"),
    })
}

fn decrypt(pem: &str, passphrase: &str) -> Result<PrivateKeyDer<'static>, String> {
    if passphrase.is_empty() {
        return Err("the key is encrypted: give its passphrase as tls-key-file-pass".to_owned());
    }
    let unreadable = |error: pkcs8::der::Error| format!("the encrypted key is damaged: {error}");
    let (_, document) = SecretDocument::from_pem(pem).map_err(unreadable)?;
    let info = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes()).map_err(|error| {
        format!(
            "the key is encrypted in a way that is not known here ({error}): convert it by \
             `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
        )
    })?;
    let key = info.decrypt(passphrase).map_err(|_| {
        "the passphrase (tls-key-file-pass) is not that of the key, or it is encrypted in a way \
         that is broken by now"
            .to_owned()
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
