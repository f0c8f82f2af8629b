"""A certificate for servers on this machine, and clients that trust it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

__all__ = ["Certificate", "make_certificate"]


class Certificate:
    """A self-signed certificate and its key, in files."""

    def __init__(self, folder: Path) -> None:
        self.certfile = folder / "certificate.pem"
        self.keyfile = folder / "key.pem"

    def server_context(self) -> ssl.SSLContext:
        """For ``ssl_context=``. What gevent makes of ``keyfile=``, ``certfile=`` is deprecated."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certfile, self.keyfile)
        return context

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certfile))


def make_certificate(folder: Path) -> Certificate:
    """A certificate for 127.0.0.1; skips the test where there is no ``openssl`` command."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")
    certificate = Certificate(folder)
    command = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    named = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    into = ["-keyout", str(certificate.keyfile), "-out", str(certificate.certfile)]
    subprocess.run([*command.split(), *named.split(), *into], check=True, capture_output=True)
    return certificate
