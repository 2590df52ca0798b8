"""The folder in which the local cloud keeps everything: databases, certificates, endpoints.json."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below one folder, `.local/` unless said otherwise. One home is one local cloud."""

    path: Path

    @classmethod
    def at(cls, path: Path | str | None = None) -> "Home":
        """The home at `path`, else at MILLWRIGHT_LOCAL_DIR, else at `.local`; made if missing."""
        chosen = Path(path or os.environ.get("MILLWRIGHT_LOCAL_DIR") or ".local").absolute()
        chosen.mkdir(parents=True, exist_ok=True)
        return cls(chosen)

    @property
    def endpoints(self) -> Path:
        """Where clients find every service (the keys are listed in local/README.md)."""
        return self.path / "endpoints.json"

    @property
    def ca(self) -> Path:
        """The certificate that clients must trust."""
        return self.path / "ca.pem"

    def database(self, service: str) -> Path:
        return self.path / f"{service}.sqlite"

    def make_certificates(self) -> None:
        """Make the local CA and one server certificate for localhost, unless they are there.

        The CA file appears last and by rename: processes that start together either see
        all three files or make their own and one set wins whole.
        """
        if self.ca.exists():
            return
        authority = trustme.CA(organization_name="Millwright local cloud")
        issued = authority.issue_cert("localhost", "127.0.0.1", "::1")
        suffix = f".{os.getpid()}"
        server = self.path / f"server.pem{suffix}"
        issued.private_key_and_cert_chain_pem.write_to_path(server)
        server.chmod(0o600)
        certificate = self.path / f"ca.pem{suffix}"
        authority.cert_pem.write_to_path(certificate)
        server.rename(self.path / "server.pem")
        certificate.rename(self.ca)

    def server_tls(self) -> ssl.SSLContext:
        """A server context with this home's certificate for localhost."""
        self.make_certificates()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.path / "server.pem")
        return context
