//! Certificates and keys from PEM files, with errors that name the file and what is wrong with it.

use super::atomic;
use super::error::FileError;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Longest file, in octets: a bundle of all public roots is a quarter of it.
const MAX_OCTETS: usize = 1024 * 1024;

/// What is wrong with a file of TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// It could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its contents are not what they should be.
    #[error("{} {what}; {fix}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        fix: &'static str,
    },
    /// A setting beside the files is not usable.
    #[error("{what}; {fix}")]
    Setting {
        /// The setting and what is wrong with it.
        what: String,
        /// What to do.
        fix: &'static str,
    },
}

impl TlsFileError {
    /// The error of a file whose contents are not what they should be.
    #[must_use]
    pub fn content(path: &Path, what: impl Into<String>, fix: &'static str) -> Self {
        Self::Content { path: path.to_owned(), what: what.into(), fix }
    }
}

/// All certificates of the PEM file `path`, in its order; at least one.
///
/// # Errors
/// It is missing, not PEM, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let text = read(path)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|e| not_pem(path, &e))?;
    if !found.is_empty() {
        return Ok(found);
    }
    let (what, fix) = if has_key(&text) {
        ("holds a private key and no certificate", "see whether certificate and key are exchanged")
    } else {
        ("has no certificate in it", "it must have a section -----BEGIN CERTIFICATE-----")
    };
    Err(TlsFileError::content(path, what, fix))
}

/// The private key of the PEM file `path`: PKCS #8, PKCS #1 or SEC 1, without a password.
///
/// # Errors
/// It is missing, not PEM, encrypted, or holds none.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let text = read(path)?;
    let encrypted = contains(&text, b"ENCRYPTED PRIVATE KEY") || contains(&text, b"Proc-Type: 4,ENCRYPTED");
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(_) | Err(_) if encrypted => Err(TlsFileError::content(
            path,
            "is encrypted with a password",
            "decrypt it (openssl pkey -in FILE -out NEW), with a mode that lets only Portcullis read it",
        )),
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if contains(&text, b"-----BEGIN CERTIFICATE-----") => {
            Err(TlsFileError::content(
                path,
                "holds a certificate and no private key",
                "see whether certificate and key are exchanged",
            ))
        }
        Err(pem::Error::NoItemsFound) => Err(TlsFileError::content(
            path,
            "has no private key in it",
            "it must have a section -----BEGIN PRIVATE KEY-----",
        )),
        Err(e) => Err(not_pem(path, &e)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    atomic::read(path, MAX_OCTETS).map_err(|e| match e.kind() {
        ErrorKind::InvalidData => {
            TlsFileError::content(path, "is longer than 1 MiB", "that is no PEM file: correct the path")
        }
        _ => FileError::new("read", path, e).into(),
    })
}

fn not_pem(path: &Path, error: &pem::Error) -> TlsFileError {
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "is cut off: the last section has no END line".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "has a damaged BEGIN line".to_owned(),
        pem::Error::Base64Decode(_) => "has a damaged section: it is not base64".to_owned(),
        other => format!("is no PEM file: {other}"),
    };
    TlsFileError::content(path, what, "copy the file again, in PEM form")
}

fn has_key(text: &[u8]) -> bool {
    contains(text, b"PRIVATE KEY-----")
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(text, what).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        for (text, as_certificate, as_key) in [
            ("", "has no certificate", "has no private key"),
            (&certificate, "", "certificate and key are exchanged"),
            (&key, "certificate and key are exchanged", ""),
            (&format!("{certificate}{key}"), "", ""),
            (certificate.rsplit_once("-----END").unwrap().0, "is cut off", "is cut off"),
            (&key.replace("PRIVATE", "ENCRYPTED PRIVATE"), "exchanged", "encrypted with a password"),
            (&certificate.replace("\nMII", "\n!!!"), "not base64", "not base64"),
        ] {
            let file = file(text);
            for (got, expected) in
                [(certificates(file.path()).err(), as_certificate), (private_key(file.path()).err(), as_key)]
            {
                let got = got.map(|e| e.to_string()).unwrap_or_default();
                assert!(got.contains(expected) && got.is_empty() == expected.is_empty(), "{expected}: {got}");
            }
        }
        let missing = certificates(Path::new("/no/such.pem")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /no/such.pem"), "{missing}");
    }
}
