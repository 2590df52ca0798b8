"""TLS in which a client may show any certificate, signed by anybody: it is known by its thumbprint.

Python's ssl module refuses a certificate whose issuer it does not trust before anybody can look at it.
IoT Hub takes it and compares its thumbprint with the registry's. So this context makes its connections
with pyOpenSSL and stands where asyncio expects an SSLContext: `wrap_bio` returns an object that behaves
like an SSLObject.
"""

import ssl
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from OpenSSL.crypto import X509

_CHUNK = 1 << 16


def _take_any(connection: SSL.Connection, certificate: X509, error: int, depth: int, good: int) -> bool:
    """Whether a certificate counts is decided later, by its thumbprint."""
    return True


class OpenTlsContext(ssl.SSLContext):
    """A server's context. Make it with `OpenTlsContext.serve(certificate and key in one PEM file)`."""

    pyopenssl: SSL.Context

    @classmethod
    def serve(cls, certificate: Path) -> "OpenTlsContext":
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made.pyopenssl = SSL.Context(SSL.TLS_SERVER_METHOD)
        made.pyopenssl.set_min_proto_version(SSL.TLS1_2_VERSION)
        made.pyopenssl.use_certificate_chain_file(str(certificate))
        made.pyopenssl.use_privatekey_file(str(certificate))
        made.pyopenssl.set_verify(SSL.VERIFY_PEER, _take_any)
        # A client that shows a certificate cannot resume a session without it (OpenSSL insists).
        made.pyopenssl.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        made.pyopenssl.set_session_id(b"iot-hub")
        return made

    def wrap_bio(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> "OpenTls":
        return OpenTls(SSL.Connection(self.pyopenssl, None), incoming, outgoing)


class OpenTls:
    """What asyncio uses of an SSLObject, and the chain that the client has shown."""

    def __init__(self, tls: SSL.Connection, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._tls, self._incoming, self._outgoing = tls, incoming, outgoing
        tls.set_accept_state()

    def do_handshake(self) -> None:
        self._feed()
        try:
            self._tls.do_handshake()
        except SSL.WantReadError as exc:
            raise ssl.SSLWantReadError from exc
        except SSL.Error as exc:
            raise ssl.SSLError(str(exc)) from exc
        finally:
            self._drain()

    def read(self, size: int, buffer: memoryview | None = None) -> bytes | int:
        """Like SSLObject.read: b"" after the client's close_notify."""
        self._feed()
        try:
            data = self._tls.recv(size)
        except SSL.WantReadError as exc:
            raise ssl.SSLWantReadError from exc
        except SSL.ZeroReturnError:
            data = b""
        except SSL.Error as exc:
            raise ssl.SSLError(str(exc)) from exc
        finally:
            self._drain()
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return self._tls.send(bytes(data[:_CHUNK]))
        except SSL.WantReadError as exc:
            raise ssl.SSLWantReadError from exc
        except SSL.Error as exc:
            raise ssl.SSLError(str(exc)) from exc
        finally:
            self._drain()

    def unwrap(self) -> None:
        self._feed()
        try:
            done = self._tls.shutdown()
        except SSL.WantReadError as exc:
            raise ssl.SSLWantReadError from exc
        except SSL.Error as exc:
            raise ssl.SSLError(str(exc)) from exc
        finally:
            self._drain()
        if not done:
            raise ssl.SSLWantReadError

    def getpeercert(self, binary_form: bool = False) -> bytes | dict[str, str] | None:
        certificate = self._tls.get_peer_certificate(as_cryptography=True)
        if certificate is None or not binary_form:
            return None
        return certificate.public_bytes(Encoding.DER)

    def get_unverified_chain(self) -> list[bytes]:
        """In DER, the client's own first. A server's OpenSSL leaves that one out of the chain."""
        own = self.getpeercert(binary_form=True)
        chain = self._tls.get_peer_cert_chain(as_cryptography=True) or []
        shown = [certificate.public_bytes(Encoding.DER) for certificate in chain]
        return shown if own in shown or not isinstance(own, bytes) else [own, *shown]

    def cipher(self) -> tuple[str, str, int] | None:
        name, version, bits = (
            self._tls.get_cipher_name(),
            self._tls.get_cipher_version(),
            self._tls.get_cipher_bits(),
        )
        return (name, version or "", bits or 0) if name else None

    def compression(self) -> None:
        return None

    def _feed(self) -> None:
        while data := self._incoming.read(_CHUNK):
            self._tls.bio_write(data)

    def _drain(self) -> None:
        while True:
            try:
                self._outgoing.write(self._tls.bio_read(_CHUNK))
            except SSL.WantReadError:
                return
