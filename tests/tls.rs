//! TLS on the client leg, through a whole gateway.

use crate::harness::{Downstream, Harness, Keys, Mode, drain, paused};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio_rustls::client::TlsStream;

struct Certificate {
    folder: tempfile::TempDir,
    roots: rustls::RootCertStore,
}

impl Certificate {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["mx.example.net".to_owned()]).unwrap().self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.path().join("k.pem"), key.serialize_pem()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        Self { folder, roots }
    }

    fn keys(&self, tls: &str, more: &str) -> Keys {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let listener = format!(
            "tls = \"{tls}\"\ncertificate = \"{}\"\nkey = \"{}\"\n{more}",
            file("c.pem"),
            file("k.pem")
        );
        Keys { listener, ..Keys::default() }
    }

    async fn handshake(&self, stream: DuplexStream) -> std::io::Result<TlsStream<DuplexStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        let name = ServerName::try_from("mx.example.net").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

async fn ask(stream: &mut TlsStream<DuplexStream>, line: &str) -> String {
    stream.write_all(line.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    String::from_utf8_lossy(&drain(stream).await.0).into_owned()
}

fn peer() -> std::net::SocketAddr {
    "192.0.2.7:4711".parse().unwrap()
}

#[test]
fn starttls_forgets_everything_and_throws_away_what_came_in_clear() {
    paused(async {
        let certificate = Certificate::new();
        let harness =
            Harness::new(&certificate.keys("starttls", ""), Downstream::new(Mode::Auto, &["PIPELINING"]));
        harness.probe().await;
        let mut client = harness.connect(peer());
        client.write_all(b"EHLO c\r\n").await.unwrap();
        let (heard, _) = drain(&mut client).await;
        assert!(String::from_utf8_lossy(&heard).contains("250-STARTTLS\r\n"));
        client.write_all(b"STARTTLS\r\nEHLO injected\r\nMAIL FROM:<evil@example.com>\r\n").await.unwrap();
        let (heard, _) = drain(&mut client).await;
        assert_eq!(heard, b"220 2.0.0 Ready to start TLS\r\n");
        let mut client = certificate.handshake(client).await.unwrap();
        assert_eq!(drain(&mut client).await.0, b"");
        let heard = ask(&mut client, "MAIL FROM:<a@example.com>\r\n").await;
        assert!(heard.starts_with("503 5.5.1 Send HELO or EHLO first"), "{heard}");
        let heard = ask(&mut client, "EHLO c\r\n").await;
        assert!(heard.starts_with("250-") && !heard.contains("STARTTLS"), "{heard}");
        let heard =
            ask(&mut client, "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n").await;
        assert!(heard.contains("354 "), "{heard}");
        let heard = ask(&mut client, "x\r\n.\r\nSTARTTLS\r\nQUIT\r\n").await;
        assert!(heard.contains("queued") && heard.contains("502 5.5.1") && heard.contains("221 "), "{heard}");
        let message = String::from_utf8(harness.downstream.take_messages().remove(0)).unwrap();
        assert!(message.contains(" with ESMTPS id ") && message.contains("using TLSv1.3"), "{message}");
        drop(client);
        let audit = harness.audit();
        assert!(audit.iter().any(|line| line.contains("\"tls\":\"TLSv1.3 ")), "{audit:?}");
    });
}

#[test]
fn implicit_tls_greets_inside_and_auth_needs_it() {
    paused(async {
        let certificate = Certificate::new();
        let keys = certificate.keys("implicit", "auth = \"tls\"");
        let harness = Harness::new(&keys, Downstream::new(Mode::Auto, &["PIPELINING", "AUTH PLAIN"]));
        harness.probe().await;
        let mut client = certificate.handshake(harness.connect(peer())).await.unwrap();
        let heard = ask(&mut client, "EHLO c\r\n").await;
        assert!(heard.starts_with("220 mx.example.net") && heard.contains("AUTH PLAIN\r\n"), "{heard}");
        let heard = ask(&mut client, "AUTH PLAIN AGFubmEAc2VjcmV0\r\n").await;
        assert!(heard.starts_with("235 "), "{heard}");
    });
}

#[test]
fn what_is_no_handshake_ends_the_session() {
    paused(async {
        let certificate = Certificate::new();
        let harness = Harness::new(&certificate.keys("implicit", ""), Downstream::new(Mode::Auto, &[]));
        let mut client = harness.connect(peer());
        client.write_all(b"EHLO c\r\n").await.unwrap();
        let (heard, ended) = drain(&mut client).await;
        assert!(ended && !String::from_utf8_lossy(&heard).contains("220"), "{}", heard.escape_ascii());
        let mut silent = harness.connect(peer());
        tokio::time::sleep(std::time::Duration::from_secs(31)).await;
        assert!(drain(&mut silent).await.1);
    });
}

#[test]
fn a_proxy_header_and_the_hello_may_come_in_one_piece() {
    paused(async {
        let certificate = Certificate::new();
        let keys = certificate.keys("implicit", "proxy_protocol = [\"192.0.2.7\"]");
        let harness = Harness::new(&keys, Downstream::new(Mode::Auto, &[]));
        let mut client = harness.connect(peer());
        // Nobody reads before we wait, so the hello stands right behind the header.
        client.write_all(b"PROXY TCP4 203.0.113.9 198.51.100.25 5555 465\r\n").await.unwrap();
        let handshake =
            tokio::time::timeout(std::time::Duration::from_secs(60), certificate.handshake(client)).await;
        let mut client = handshake.expect("no handshake in time").expect("no handshake");
        assert!(ask(&mut client, "NOOP\r\n").await.starts_with("220 "));
    });
}
