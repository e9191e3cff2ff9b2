"""Certificates by openssl: a self-signed one per name, in a folder."""
import hashlib
import os
import ssl
import subprocess


class Certificate:
    """A certificate for `name` and 127.0.0.1, signed by a CA of its own, as PEM files (cert, key, ca)."""

    def __init__(self, folder, name="mx.example.net", stem="tls", kind="ec"):
        self.name, self.kind = name, kind
        self.new_key = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.cert, self.key = os.path.join(folder, stem + ".crt"), os.path.join(folder, stem + ".key")
        self.ca, self.ca_key = os.path.join(folder, stem + "-ca.crt"), os.path.join(folder, stem + "-ca.key")
        self._request(self.ca, self.ca_key, "/CN=test CA", "basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign")
        self.make()

    def _request(self, cert, key, subject, *extensions, signer=()):
        added = [w for e in extensions for w in ("-addext", e)]
        subprocess.run(["openssl", "req", "-x509", "-newkey", *self.new_key, "-nodes", "-days", "30", "-subj", subject, *added,
                        *signer, "-keyout", key, "-out", cert], check=True, capture_output=True)

    def make(self):
        """Makes it (again): the same files, a new key, the same CA."""
        self._request(self.cert + ".new", self.key + ".new", "/CN=" + self.name, f"subjectAltName=DNS:{self.name},IP:127.0.0.1",
                      "basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth",
                      signer=["-CA", self.ca, "-CAkey", self.ca_key])
        os.chmod(self.key + ".new", 0o644)
        os.rename(self.key + ".new", self.key)
        os.rename(self.cert + ".new", self.cert)

    def der(self):
        with open(self.cert) as f:
            return ssl.PEM_cert_to_DER_cert(f.read())

    def spki_pin(self):
        """sha256:HEX of the SubjectPublicKeyInfo, as the configuration wants it."""
        pem = subprocess.run(["openssl", "x509", "-in", self.cert, "-pubkey", "-noout"], check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, check=True, capture_output=True).stdout
        return "sha256:" + hashlib.sha256(der).hexdigest()

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


def client_context():
    """A TLS client that takes any certificate: tests look at it themselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
