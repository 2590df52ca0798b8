"""E-mail over SMTP, by the standard library, one thread a message."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

from shared.ports import Refused, Unavailable

_TIMEOUT_S = 15
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_REMEDY = "the setting holds no smtp://, smtp+starttls:// or smtps:// address; see to its secret in Key Vault"


class SmtpMail:
    """`trust` makes the TLS context; left out: the system's authorities."""

    def __init__(self, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        self._trust = trust

    async def send(
        self, server: str, *, sender: str, to: str, subject: str, text: str, message_id: str
    ) -> None:
        """Refused for an answer of 5xx, Unavailable for whatever may pass.

        The same `message_id` gives the same Message-ID: mailboxes recognise repetitions by it.
        """
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, to, subject
        mail["Message-ID"] = f"<{_safe(message_id)}@{sender.partition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        await asyncio.to_thread(self._send, _parsed(server), mail)

    def _send(self, server: SplitResult, mail: EmailMessage) -> None:
        host, port = server.hostname or "", server.port or _PORTS[server.scheme]
        try:
            with self._connected(server.scheme, host, port) as smtp:
                if server.username:
                    smtp.login(unquote(server.username), unquote(server.password or ""))
                smtp.send_message(mail)
        except smtplib.SMTPRecipientsRefused as exc:
            [(code, words)] = exc.recipients.values()
            raise _of(code, words) from exc
        except smtplib.SMTPResponseException as exc:
            raise _of(exc.smtp_code, exc.smtp_error) from exc
        except smtplib.SMTPNotSupportedError as exc:
            raise Refused(f"mail server: {exc}") from exc
        except (smtplib.SMTPException, OSError) as exc:
            raise Unavailable(f"mail server: {type(exc).__name__}: {exc}") from exc

    def _connected(self, scheme: str, host: str, port: int) -> smtplib.SMTP:
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=self._trust())
        smtp = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
        try:
            if scheme == "smtp+starttls":
                smtp.starttls(context=self._trust())
        except (smtplib.SMTPException, OSError):
            smtp.close()
            raise
        return smtp


def _parsed(server: str) -> SplitResult:
    """Addresses hold passwords: a wrong one is not repeated."""
    try:
        parts = urlsplit(server)
        sound = parts.scheme in _PORTS and parts.hostname and (parts.port or 1)
    except ValueError as exc:
        raise Refused(_REMEDY) from exc
    if not sound:
        raise Refused(_REMEDY)
    return parts


def _of(code: int, words: bytes | str) -> Refused | Unavailable:
    said = words.decode(errors="replace") if isinstance(words, bytes) else words
    detail = f"mail server answered {code} {said}"
    return Refused(detail) if 500 <= code < 600 else Unavailable(detail)


def _safe(message_id: str) -> str:
    """Only what the left side of a Message-ID may hold."""
    return "".join(one if one.isascii() and (one.isalnum() or one in "-_.") else "." for one in message_id)
