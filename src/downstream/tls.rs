//! TLS towards a downstream: which certificate is good enough, and what was agreed on.
//!
//! One [`ClientTls`] per downstream and policy generation; it is immutable but for its cache of TLS
//! sessions. Whatever the mode, the server has to prove that it holds the key of its certificate.
//! Refusals are errors that name the address and say what to do. Falling back to plain text is the
//! caller's decision (mode `opportunistic` only), on a new connection.

use crate::store::pem::{self, TlsFileError};
use crate::store::x509;
use crate::verdict::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, ClientConfig, CommonState, DigitallySignedStruct, OtherError, RootCertStore};
use rustls::{ProtocolVersion, SignatureScheme};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// TLS sessions that are remembered, to save work on the next connection.
const SESSIONS: usize = 32;

/// Which certificate of a downstream is good enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// Any: protects against listeners, not against somebody in between.
    Opportunistic,
    /// One that leads to a certificate of this PEM file and is made out to the right name.
    Ca(PathBuf),
    /// One whose key (SHA-256 of the SubjectPublicKeyInfo) is among these, whatever else it says.
    Pinned(Vec<[u8; 32]>),
}

/// The client side of TLS for one downstream.
#[derive(Debug, Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// The name in SNI and in the certificate; the address where there is none.
    server_name: Option<ServerName<'static>>,
    verifies: bool,
}

/// What a handshake led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Version and cipher suite.
    pub tls: Tls,
    /// Whether the certificate was verified or pinned.
    pub verified: bool,
    /// SHA-256 of the SubjectPublicKeyInfo of its certificate: what a pin would say.
    pub spki_sha256: [u8; 32],
}

/// Why there is no TLS with a downstream.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key of its certificate is not the one that it should be.
    #[error(
        "certificate key sha256:{} of {ip} is not among the pins; if the server has a new key, add this to pins, otherwise somebody else answers there",
        hex(.spki_sha256)
    )]
    Pin {
        /// The address.
        ip: IpAddr,
        /// The key that it has.
        spki_sha256: [u8; 32],
    },
    /// Its certificate is not good enough.
    #[error("the certificate of {ip} {what}; {fix}")]
    Certificate {
        /// The address.
        ip: IpAddr,
        /// What is wrong with it.
        what: String,
        /// What to do.
        fix: &'static str,
    },
    /// No version, cipher suite or message that both sides understand.
    #[error(
        "no TLS with {ip}: {source}; it needs TLS 1.2 or 1.3 with an ECDHE cipher suite, or set tls = \"off\" for this downstream"
    )]
    Protocol {
        /// The address.
        ip: IpAddr,
        /// What went wrong.
        source: rustls::Error,
    },
    /// The connection failed in the middle of the handshake.
    #[error("the connection to {ip} failed in the TLS handshake: {source}; see the log of that server")]
    Io {
        /// The address.
        ip: IpAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl ClientTls {
    /// TLS in the mode `mode`. `server_name` is sent (SNI) and, with [`Verify::Ca`], must be in the
    /// certificate; without it the address must be. Reads the file of [`Verify::Ca`].
    ///
    /// # Errors
    /// The file cannot be used, `server_name` is no host name, or there are no pins.
    pub fn new(mode: Verify, server_name: Option<String>) -> Result<Self, TlsFileError> {
        let server_name = server_name.map(parse_name).transpose()?;
        let provider = Arc::new(crypto::ring::default_provider());
        let verifies = mode != Verify::Opportunistic;
        let rule = Rule::new(mode, &provider)?;
        let verifier = Verifier { rule, provider: Arc::clone(&provider) };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|e| TlsFileError::Setting { what: e.to_string(), fix: "report this as a bug" })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Self { config: Arc::new(config), server_name, verifies })
    }

    /// The TLS handshake over `stream`, a connection to `ip` on which the server expects it. No deadline
    /// of its own.
    ///
    /// # Errors
    /// A sentence for the log that names `ip`; the connection is of no further use.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        ip: IpAddr,
    ) -> Result<(TlsStream<S>, Outcome), TlsError> {
        let name = self.server_name.clone().unwrap_or_else(|| ServerName::IpAddress(ip.into()));
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(name, stream).await.map_err(|e| explain(ip, e))?;
        let (_, connection) = stream.get_ref();
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        let Some(spki) = certificate.and_then(spki) else {
            return Err(unreadable(ip));
        };
        let outcome =
            Outcome { tls: describe(connection), verified: self.verifies, spki_sha256: sha256(&spki) };
        Ok((stream, outcome))
    }
}

/// Version and cipher suite of a connection whose handshake is complete.
#[must_use]
pub fn describe(connection: &CommonState) -> Tls {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    };
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    // rustls spells the suites of TLS 1.3 in a way of its own.
    let cipher = cipher.unwrap_or("unknown").replacen("TLS13_", "TLS_", 1);
    Tls { version, cipher: cipher.into() }
}

/// What a certificate has to be.
#[derive(Debug)]
enum Rule {
    Any,
    Chain(Arc<WebPkiServerVerifier>),
    Pins(Vec<[u8; 32]>),
}

impl Rule {
    fn new(mode: Verify, provider: &Arc<CryptoProvider>) -> Result<Self, TlsFileError> {
        match mode {
            Verify::Opportunistic => Ok(Self::Any),
            Verify::Pinned(pins) if pins.is_empty() => Err(TlsFileError::Setting {
                what: "pins is empty, so that no certificate would be good enough".to_owned(),
                fix: "add the SHA-256 of the downstream's key, or choose another tls",
            }),
            Verify::Pinned(pins) => Ok(Self::Pins(pins)),
            Verify::Ca(path) => {
                const FIX: &str = "it must hold the certificates of the authority in PEM form";
                let mut roots = RootCertStore::empty();
                for certificate in pem::certificates(&path)? {
                    roots.add(certificate).map_err(|e| {
                        TlsFileError::content(
                            &path,
                            format!("holds a certificate that cannot be used: {e}"),
                            FIX,
                        )
                    })?;
                }
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                    .build()
                    .map(Self::Chain)
                    .map_err(|e| TlsFileError::content(&path, format!("cannot be used: {e}"), FIX))
            }
        }
    }
}

#[derive(Debug)]
struct Verifier {
    rule: Rule,
    provider: Arc<CryptoProvider>,
}

/// Travels through rustls as the cause of a refused certificate.
#[derive(Debug)]
struct PinMismatch([u8; 32]);

impl fmt::Display for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate key sha256:{} is not among the pins", hex(&self.0))
    }
}

impl std::error::Error for PinMismatch {}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.rule {
            Rule::Any => Ok(ServerCertVerified::assertion()),
            Rule::Chain(chain) => {
                match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                    // An issuer of the same name with another key; told from a bad handshake signature.
                    Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => {
                        Err(CertificateError::UnknownIssuer.into())
                    }
                    other => other,
                }
            }
            Rule::Pins(pins) => {
                let found = sha256(&spki(end_entity).ok_or(CertificateError::BadEncoding)?);
                if pins.contains(&found) {
                    Ok(ServerCertVerified::assertion())
                } else {
                    Err(CertificateError::Other(OtherError(Arc::new(PinMismatch(found)))).into())
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        if webpki::EndEntityCert::try_from(certificate).is_ok() {
            return crypto::verify_tls12_signature(message, certificate, signed, algorithms);
        }
        let key = spki(certificate).ok_or(CertificateError::BadEncoding)?;
        let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        // As rustls does it: in TLS 1.2 a scheme leaves the curve open, so several algorithms may fit.
        let candidates = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let mut candidates = candidates.flat_map(|(_, candidates)| candidates.iter());
        if candidates.any(|a| key.verify_signature(*a, message, signed.signature()).is_ok()) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        if webpki::EndEntityCert::try_from(certificate).is_ok() {
            return crypto::verify_tls13_signature(message, certificate, signed, algorithms);
        }
        let key = spki(certificate).ok_or(CertificateError::BadEncoding)?;
        crypto::verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn parse_name(name: String) -> Result<ServerName<'static>, TlsFileError> {
    ServerName::try_from(name.clone()).map_err(|_| TlsFileError::Setting {
        what: format!("server_name \"{name}\" is neither a host name nor an address"),
        fix: "write the name that is in the downstream's certificate, like mail.example.net",
    })
}

/// The key of a certificate; also of one that webpki does not take (version 1, odd extensions).
fn spki(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    match webpki::EndEntityCert::try_from(certificate) {
        Ok(parsed) => Some(parsed.subject_public_key_info()),
        Err(_) => x509::subject_public_key_info(certificate).map(|der| der.to_vec().into()),
    }
}

fn sha256(spki: &SubjectPublicKeyInfoDer<'_>) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, spki);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unreadable(ip: IpAddr) -> TlsError {
    TlsError::Certificate {
        ip,
        what: "cannot be read".to_owned(),
        fix: "give that server another certificate, or set tls = \"off\" for this downstream",
    }
}

/// The error of a failed handshake.
fn explain(ip: IpAddr, error: io::Error) -> TlsError {
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()).cloned();
    match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
            match other.0.downcast_ref::<PinMismatch>() {
                Some(PinMismatch(found)) => TlsError::Pin { ip, spki_sha256: *found },
                None => explain_certificate(ip, &CertificateError::Other(other)),
            }
        }
        Some(rustls::Error::InvalidCertificate(wrong)) => explain_certificate(ip, &wrong),
        Some(source) => TlsError::Protocol { ip, source },
        None => TlsError::Io { ip, source: error },
    }
}

fn explain_certificate(ip: IpAddr, wrong: &CertificateError) -> TlsError {
    let (what, fix) = match wrong {
        CertificateError::BadEncoding => return unreadable(ip),
        CertificateError::UnknownIssuer => (
            "was not issued by an authority of the file ca".to_owned(),
            "add the certificate of its issuer to that file, or pin its key",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired".to_owned(), "renew it, or pin its key")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet".to_owned(), "see whether the clocks of both machines are right")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("is made out to another name ({wrong})"),
            "set server_name to the name in the certificate",
        ),
        CertificateError::BadSignature => (
            "is not its own: the server does not hold the key of it".to_owned(),
            "see who answers at that address",
        ),
        // What a self-signed end-entity certificate in the file `ca` also leads to.
        other => (format!("is not usable: {other}"), "pin its key instead (tls = \"pinned\")"),
    };
    TlsError::Certificate { ip, what, fix }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::server::{ClientHello, ResolvesServerCert};
    use rustls::sign::CertifiedKey;
    use rustls::{ServerConfig, SupportedProtocolVersion};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 25));
    static TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;
    static TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;

    #[derive(Debug)]
    struct Fixed(Arc<CertifiedKey>);

    impl ResolvesServerCert for Fixed {
        fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    /// A server with that certificate and key, whether they match or not.
    struct Server(Arc<ServerConfig>);

    impl Server {
        fn new(certificate: Vec<u8>, key: &KeyPair, version: &'static SupportedProtocolVersion) -> Self {
            let provider = Arc::new(crypto::ring::default_provider());
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let key = provider.key_provider.load_private_key(key).unwrap();
            let pair = CertifiedKey::new(vec![certificate.into()], key);
            let config = ServerConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(Fixed(Arc::new(pair))));
            Self(Arc::new(config))
        }

        async fn meet(&self, client: &ClientTls) -> Result<Outcome, TlsError> {
            let (near, far) = tokio::io::duplex(4096);
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.0));
            let server = tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(far).await {
                    stream.write_all(b"220 hello\r\n").await.unwrap();
                    stream.flush().await.unwrap();
                    let _ = stream.read(&mut [0; 1]).await;
                }
            });
            let result = client.handshake(near, IP).await;
            let outcome = match result {
                Ok((mut stream, outcome)) => {
                    let mut greeting = [0; 11];
                    stream.read_exact(&mut greeting).await.unwrap();
                    assert_eq!(&greeting, b"220 hello\r\n");
                    Ok(outcome)
                }
                Err(e) => Err(e),
            };
            server.await.unwrap();
            outcome
        }
    }

    fn self_signed() -> (Vec<u8>, KeyPair) {
        let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        (made.cert.der().to_vec(), made.signing_key)
    }

    fn pin(certificate: &[u8]) -> [u8; 32] {
        sha256(&spki(&CertificateDer::from(certificate)).unwrap())
    }

    /// The file of an authority, and a certificate that it issued to mx.example.
    fn issued(change: impl Fn(&mut CertificateParams)) -> (tempfile::NamedTempFile, Vec<u8>, KeyPair) {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["mx.example".to_owned()]).unwrap();
        change(&mut params);
        let issuer = Issuer::new(authority, authority_key);
        let certificate = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        (file, certificate, key)
    }

    fn verified(file: &tempfile::NamedTempFile, name: &str) -> ClientTls {
        ClientTls::new(Verify::Ca(file.path().to_owned()), Some(name.to_owned())).unwrap()
    }

    #[tokio::test]
    async fn opportunistic_takes_any_certificate_and_says_so() {
        let (certificate, key) = self_signed();
        let client = ClientTls::new(Verify::Opportunistic, None).unwrap();
        for (version, name, cipher) in [
            (TLS12, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
            (TLS13, "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        ] {
            let outcome = Server::new(certificate.clone(), &key, version).meet(&client).await.unwrap();
            let tls = Tls { version: name, cipher: cipher.into() };
            assert_eq!(outcome, Outcome { tls, verified: false, spki_sha256: pin(&certificate) });
        }
    }

    #[tokio::test]
    async fn no_mode_takes_a_certificate_whose_key_the_server_does_not_hold() {
        let (certificate, _) = self_signed();
        let other = KeyPair::generate().unwrap();
        let pinned = Verify::Pinned(vec![pin(&certificate)]);
        for mode in [Verify::Opportunistic, pinned] {
            let client = ClientTls::new(mode, None).unwrap();
            for version in [TLS12, TLS13] {
                let error = Server::new(certificate.clone(), &other, version).meet(&client).await;
                let error = error.unwrap_err().to_string();
                assert!(error.contains("192.0.2.25 is not its own"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn a_certificate_of_version_1_is_no_obstacle_but_its_signature_counts() {
        let (mut certificate, key) = self_signed();
        let version = memchr::memmem::find(&certificate, &[0xa0, 3, 2, 1, 2]).unwrap() + 4;
        certificate[version] = 0;
        assert!(webpki::EndEntityCert::try_from(&CertificateDer::from(certificate.as_slice())).is_err());
        let client = ClientTls::new(Verify::Opportunistic, None).unwrap();
        let other = KeyPair::generate().unwrap();
        for version in [TLS12, TLS13] {
            let outcome = Server::new(certificate.clone(), &key, version).meet(&client).await.unwrap();
            assert_eq!(outcome.spki_sha256, pin(&certificate));
            let error = Server::new(certificate.clone(), &other, version).meet(&client).await.unwrap_err();
            assert!(matches!(error, TlsError::Certificate { .. }), "{error}");
        }
        let garbage = Server::new(b"no certificate".to_vec(), &key, TLS13);
        let error = garbage.meet(&client).await.unwrap_err().to_string();
        assert!(error.contains("192.0.2.25 cannot be read"), "{error}");
    }

    #[tokio::test]
    async fn a_pin_decides_alone() {
        let (certificate, key) = self_signed();
        let server = Server::new(certificate.clone(), &key, TLS13);
        let right = ClientTls::new(Verify::Pinned(vec![[7; 32], pin(&certificate)]), None).unwrap();
        assert!(server.meet(&right).await.unwrap().verified);
        let wrong = ClientTls::new(Verify::Pinned(vec![[7; 32]]), None).unwrap();
        let error = server.meet(&wrong).await.unwrap_err().to_string();
        let says =
            format!("certificate key sha256:{} of 192.0.2.25 is not among the pins", hex(&pin(&certificate)));
        assert!(error.starts_with(&says), "{error}");
        let error = ClientTls::new(Verify::Pinned(Vec::new()), None).unwrap_err().to_string();
        assert!(error.contains("pins is empty"), "{error}");
    }

    #[tokio::test]
    async fn a_chain_is_verified_with_its_name_and_dates() {
        let (file, certificate, key) = issued(|_| {});
        let server = Server::new(certificate, &key, TLS13);
        assert!(server.meet(&verified(&file, "mx.example")).await.unwrap().verified);
        let other_name = server.meet(&verified(&file, "mx.other")).await.unwrap_err().to_string();
        assert!(other_name.contains("192.0.2.25 is made out to another name"), "{other_name}");
        let (other_file, ..) = issued(|_| {});
        let other_issuer = server.meet(&verified(&other_file, "mx.example")).await.unwrap_err().to_string();
        assert!(other_issuer.contains("was not issued by an authority"), "{other_issuer}");
        let (file, certificate, key) = issued(|p| p.not_after = rcgen::date_time_ymd(2001, 1, 1));
        let server = Server::new(certificate, &key, TLS13);
        let expired = server.meet(&verified(&file, "mx.example")).await.unwrap_err().to_string();
        assert!(expired.contains("has expired"), "{expired}");
    }

    #[tokio::test]
    async fn without_a_name_the_address_is_verified() {
        let (file, certificate, key) = issued(|p| p.subject_alt_names = vec![rcgen::SanType::IpAddress(IP)]);
        let client = ClientTls::new(Verify::Ca(file.path().to_owned()), None).unwrap();
        assert!(Server::new(certificate, &key, TLS12).meet(&client).await.unwrap().verified);
    }

    #[tokio::test]
    async fn what_is_no_tls_is_an_error_that_names_the_address() {
        let client = ClientTls::new(Verify::Opportunistic, None).unwrap();
        let (near, mut far) = tokio::io::duplex(4096);
        far.write_all(b"220 plain text\r\n").await.unwrap();
        let error = client.handshake(near, IP).await.unwrap_err();
        assert!(matches!(error, TlsError::Protocol { ip: IP, .. }), "{error}");
        let (near, far) = tokio::io::duplex(4096);
        drop(far);
        let error = client.handshake(near, IP).await.unwrap_err().to_string();
        assert!(error.contains("the connection to 192.0.2.25 failed"), "{error}");
    }

    #[test]
    fn bad_settings_are_refused() {
        let error = ClientTls::new(Verify::Opportunistic, Some("not a name".to_owned())).unwrap_err();
        assert!(error.to_string().contains("server_name \"not a name\""), "{error}");
        let error = ClientTls::new(Verify::Ca("/no/such.pem".into()), None).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /no/such.pem"), "{error}");
    }
}
