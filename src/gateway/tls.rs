//! TLS of the client leg: one certificate and key per listener, replaced without a restart.
//!
//! A connection keeps the certificate that it began with. A reload that fails changes nothing.

use crate::downstream::tls as common;
use crate::store::pem;
pub use crate::store::pem::TlsFileError;
use crate::store::x509;
use crate::verdict::Tls;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig, ServerConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// TLS 1.2 sessions remembered for clients that take no tickets.
const SESSIONS: usize = 256;

/// The server side of TLS of one listener.
#[derive(Debug)]
pub struct ServerTls {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// The certificate that the next handshake gets.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ServerTls {
    /// Reads the chain (leaf first) in `certificate` and the private key in `key`, both PEM.
    ///
    /// # Errors
    /// The file and what is wrong with it. A certificate that has expired is no error: see
    /// [`Self::warning`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsFileError> {
        let pair = read_pair(certificate, key)?;
        let current = Arc::new(Current(ArcSwap::from_pointee(pair)));
        let config = server_config(Arc::clone(&current)).map_err(|e| TlsFileError::Setting {
            what: format!("no TLS: {e}"),
            fix: "report this as a bug",
        })?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current,
            config: Arc::new(config),
        })
    }

    /// Reads both files again; the next handshake gets the new certificate.
    ///
    /// # Errors
    /// As [`Self::load`]; the old certificate stays in use then.
    pub fn reload(&self) -> Result<(), TlsFileError> {
        let pair = read_pair(&self.certificate, &self.key)?;
        self.current.0.store(Arc::new(pair));
        Ok(())
    }

    /// The configuration for a handshake; the same one for the life of this value.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What an administrator should know of the certificate in use at `now`: that it has expired, is not
    /// valid yet, or expires within 14 days.
    #[must_use]
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let pair = self.current.0.load();
        let (from, until) = x509::validity(pair.cert.first()?)?;
        let days = (until.as_second() - now.as_second()).div_euclid(24 * 60 * 60);
        let file = self.certificate.display();
        if until < now {
            Some(format!("the certificate in {file} has expired on {until}; renew it"))
        } else if now < from {
            Some(format!(
                "the certificate in {file} is not valid before {from}; see whether the clock is right"
            ))
        } else if days < 14 {
            Some(format!("the certificate in {file} expires in {days} days, on {until}; renew it"))
        } else {
            None
        }
    }
}

/// Version and cipher suite of a client's connection whose handshake is complete.
#[must_use]
pub fn describe(conn: &ServerConnection) -> Tls {
    common::describe(conn)
}

fn server_config(current: Arc<Current>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(current);
    config.ticketer = Ticketer::new()?;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    // A mail client that comes back opens one connection at a time: a second ticket is only octets.
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn read_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsFileError> {
    let chain = pem::certificates(certificate)?;
    let private = pem::private_key(key)?;
    let provider = default_provider();
    let signer = provider.key_provider.load_private_key(private).map_err(|e| {
        TlsFileError::content(
            key,
            format!("holds a key that cannot be used: {e}"),
            "make a new one: RSA with 2048 to 8192 bits, or EC P-256 or P-384",
        )
    })?;
    let pair = CertifiedKey::new(chain, signer);
    match pair.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(Error::InconsistentKeys(_)) => Err(TlsFileError::content(
            key,
            format!("is not the key of the first certificate in {}", certificate.display()),
            "see whether both were renewed together, and that the server's own certificate comes first",
        )),
        Err(e) => Err(TlsFileError::content(
            certificate,
            format!("begins with a certificate that cannot be read: {e}"),
            "it must be an X.509 version 3 certificate; make a new one",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downstream::tls::{ClientTls, Outcome, Verify};
    use rcgen::{CertificateParams, KeyPair};
    use std::fs;
    use std::net::{IpAddr, Ipv4Addr};

    struct Files {
        dir: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let files = Self { dir: tempfile::tempdir().unwrap() };
            files.write(&KeyPair::generate().unwrap());
            files
        }

        fn certificate(&self) -> PathBuf {
            self.dir.path().join("certificate.pem")
        }

        fn key(&self) -> PathBuf {
            self.dir.path().join("key.pem")
        }

        fn write(&self, key: &KeyPair) {
            let mut params = CertificateParams::new(["mx.example".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2050, 1, 1);
            fs::write(self.certificate(), params.self_signed(key).unwrap().pem()).unwrap();
            fs::write(self.key(), key.serialize_pem()).unwrap();
        }

        fn load(&self) -> Result<ServerTls, TlsFileError> {
            ServerTls::load(&self.certificate(), &self.key())
        }
    }

    /// Both ends' view of a new connection.
    async fn meet(server: &ServerTls) -> (Tls, Outcome) {
        let (near, far) = tokio::io::duplex(4096);
        let acceptor = tokio_rustls::TlsAcceptor::from(server.config());
        let accepted = tokio::spawn(async move { describe(acceptor.accept(far).await.unwrap().get_ref().1) });
        let client = ClientTls::new(Verify::Opportunistic, Some("mx.example".to_owned())).unwrap();
        let (_stream, outcome) = client.handshake(near, IpAddr::V4(Ipv4Addr::LOCALHOST)).await.unwrap();
        (accepted.await.unwrap(), outcome)
    }

    #[tokio::test]
    async fn both_ends_agree_on_what_was_agreed() {
        let (server, client) = meet(&Files::new().load().unwrap()).await;
        assert_eq!(server, client.tls);
        assert_eq!((server.version, &*server.cipher), ("TLSv1.3", "TLS_AES_256_GCM_SHA384"));
    }

    #[tokio::test]
    async fn a_reload_swaps_the_certificate_and_a_bad_one_changes_nothing() {
        let files = Files::new();
        let tls = files.load().unwrap();
        let config = tls.config();
        let first = meet(&tls).await.1.spki_sha256;
        files.write(&KeyPair::generate().unwrap());
        assert_eq!(meet(&tls).await.1.spki_sha256, first);
        tls.reload().unwrap();
        let second = meet(&tls).await.1.spki_sha256;
        assert_ne!(first, second);
        fs::write(files.key(), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let error = tls.reload().unwrap_err().to_string();
        assert!(error.contains("key.pem is not the key of the first certificate in"), "{error}");
        fs::remove_file(files.certificate()).unwrap();
        assert!(tls.reload().unwrap_err().to_string().contains("certificate.pem"));
        assert_eq!(meet(&tls).await.1.spki_sha256, second);
        assert!(Arc::ptr_eq(&config, &tls.config()));
    }

    #[tokio::test]
    async fn keys_of_both_kinds_and_every_usual_form_are_taken() {
        let files = Files::new();
        files.write(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap());
        meet(&files.load().unwrap()).await;
        let key = KeyPair::from_pem(RSA_KEY).unwrap();
        files.write(&key);
        meet(&files.load().unwrap()).await;
    }

    #[test]
    fn files_that_do_not_fit_are_refused_by_name() {
        let files = Files::new();
        fs::write(files.key(), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let error = files.load().unwrap_err().to_string();
        assert!(error.contains("key.pem is not the key of the first certificate"), "{error}");
        let exchanged = ServerTls::load(&files.key(), &files.certificate()).unwrap_err().to_string();
        assert!(exchanged.contains("exchanged"), "{exchanged}");
    }

    #[test]
    fn a_certificate_near_its_end_is_a_warning_only() {
        let tls = Files::new().load().unwrap();
        let warning = |now: &str| tls.warning(now.parse().unwrap()).unwrap_or_default();
        assert_eq!(warning("2030-01-01T00:00:00Z"), "");
        assert!(warning("2019-12-31T00:00:00Z").contains("is not valid before 2020-01-01T00:00:00Z"));
        assert!(warning("2049-12-20T12:00:00Z").contains("expires in 11 days"));
        assert!(warning("2050-01-01T00:00:01Z").contains("has expired on 2050-01-01T00:00:00Z"));
    }

    /// Made for this test only (rcgen's provider cannot make RSA keys).
    const RSA_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDK1Tuf6m4DggGI\n\
        V8T6o7N1cPMX7xwvCDW5dSxO16nnafT4KYWTfsQK+P0SPInzOBpDjWo+cOhSHt3x\n\
        Af5bMf3B6+c+qnQn4XixULZH0dCZxt1rIkaw0IPcE1GytIyoYjvRMuhqbD0cJ1c5\n\
        1txPAltWGSsGnTvAWt0SG1BN7ZCRM+OrcXQwPVQD7gpxO5tuXMA9ybqsj59T2nrT\n\
        W/3qrSOi6anMbLmwyLxsMYX3wG3kZScBUvTjkWhaAQ27NziyljD4Q+yZzdyMk9Bi\n\
        FO1Z/10UCS4iPVnohxPpW9CeN2KtbUaFHIyL6YBZNaK5SjJkH1kujcYsD4SBN8bu\n\
        wL0iZg/bAgMBAAECggEAEFA8Hm2FcaTIKMYeYqY97ckq1Bb4JlQ7tfHVoXW5BZLB\n\
        ECCOzMEaVWOXPxs9YSF3A03haKo+FTTEVvj5Ey6fITSvAZxGAVsiEOjT8EzQwT18\n\
        W3yDQP9US6QGIyBgW76i3v2AMecItzX2zwEX8QbYf8FAc6S7xInKVAV8XPgpc3Qb\n\
        R8mevAnpB15iGjk8nJgCHGyKSgGIaJFLYAVO2IVSaRjPPqiMA6ATZiSoaVxkkFEg\n\
        MOdtCnaFeoS2FscwwkLOdXEliJ3GeIVsjYEO0dDwb/qcZv3D+TXPKhu82bNIdspm\n\
        oj15SjZSWrF4p2DR/wxBtM8A/NKOx0LYBp9TRXVIkQKBgQDnbwiha5n8yPFHaqzM\n\
        2Te98GzDM764MGw3KgdnPCeL1iQLateDbFw1JJHSAmg9os2iOjbxakGs53SRdohk\n\
        gNAAeuCjCYhYgZQk437RCY2ZfHwtKNVaWfsl143CtudfywrQ5KrQBD1VsyWqJdkl\n\
        mlVkFMAPkFhbrSFqtBfRKqMMMwKBgQDgXQDQjPK+3DY+NlT4jaKSFwhso5zd59pI\n\
        ENfsBfvoNSITKeLKV3VE+W1cJa3EsWjeexI0oTTs/AjWb0NfBwHYFaqiZ8BKYPfx\n\
        rZ5mYtCORMoI6PtziZpu+NiMAy8TDcMWpVgqBERyer+fjwwoI2JHB/5KdOIpRj1Y\n\
        nMxIvhXFuQKBgQCnEHsNc4xkc3XhFPuKoJ9hiIYq31akxafIpplTh5QQmNPKPiU2\n\
        5OknH6/4Bu7S14xTuGxjF04zj52RSByrWGVOg2VXrBD1uwyDGIo6QggqrTdCrkBd\n\
        iakHpzPZRIl/mCXFp9w6b2ULUVg2HD5Fq8RKi8QdOBjgjPkbesfaoUm0CwKBgA/E\n\
        uY/uuAjN9Un+C47EdY6K696myRmXd/HkrSg7a27wfQqXwQazitxkI1l8lG/kgBhS\n\
        0f687blSJVTc0QFWvrxvGWT8obkYg5SKvT046Kt3DjP+G94M57uw5ZdBigduyi1H\n\
        RaD+V8kr81fFd/dCNWAEocyd1l9MPneB3aGnKmSRAoGBAKAwM4jNQom99A1shotQ\n\
        bZzZud2UsmpcalMhDoAXVINTOy3nwyb2GRzOqfQDwfJSMIxiQrzgeq9m/QFRmvXH\n\
        cwojhUT4XI/5Gf2ZptvFvjYzmYxj8ZkyuehaC7lTV+lhH6zc7rlKYJLbIVI+VOHT\n\
        Nqo28Nd9w9wxJURTySVD26r/\n\
        -----END PRIVATE KEY-----\n";
}
