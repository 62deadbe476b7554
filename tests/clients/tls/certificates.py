"""Certificates of an authority of the test's own, in files."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates, and writes them as NAME.crt and NAME.key into a directory."""

    def __init__(self, directory, name):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = self._builder(self.subject, self.key, 30)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
        self._write(name, builder.sign(self.key, hashes.SHA256()), self.key)

    def sign(self, name, address, kind="ec", days=30):
        """For an IP address or a host name; `days` below 0: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        if kind == "rsa":
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        try:
            place = x509.IPAddress(ipaddress.ip_address(address))
        except ValueError:
            place = x509.DNSName(address)
        builder = self._builder(subject, key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName([place]), critical=False)
        self._write(name, builder.sign(self.key, hashes.SHA256()), key)

    def _builder(self, subject, key, days):
        now = datetime.datetime.now(datetime.UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 60 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(identifier, critical=False)
            .add_extension(authority, critical=False)
        )

    def _write(self, name, certificate, key):
        pem = serialization.Encoding.PEM
        (self.directory / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
        form = serialization.PrivateFormat.PKCS8
        text = key.private_bytes(pem, form, serialization.NoEncryption())
        (self.directory / f"{name}.key").write_bytes(text)
