"""Certificates by openssl: a self-signed one per name, in a folder."""
import hashlib
import os
import ssl
import subprocess


class Certificate:
    """A self-signed certificate and its key, as PEM files."""

    def __init__(self, folder, name="mx.example.net", stem="tls", kind="ec"):
        self.name, self.kind = name, kind
        self.cert = os.path.join(folder, stem + ".crt")
        self.key = os.path.join(folder, stem + ".key")
        self.make()

    def make(self):
        """Makes it (again): the same files, a new key."""
        new_key = ["rsa:2048"] if self.kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *new_key, "-nodes", "-days", "30",
             "-subj", "/CN=" + self.name, "-addext", f"subjectAltName=DNS:{self.name},IP:127.0.0.1",
             "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", self.key + ".new", "-out", self.cert + ".new"], check=True, capture_output=True)
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
