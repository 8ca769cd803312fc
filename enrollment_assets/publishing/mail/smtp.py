"""Sends one mail to one set of recipients through the configured SMTP server.

Messages quote only the codes of the server's replies, since their text may contain an address.
"""

import base64
import ipaddress
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from enrollment_assets.config import Settings
from enrollment_assets.config.environment import expand_address
from enrollment_assets.config.fields import domain_of
from enrollment_assets.errors import ConfigurationError, MailError, MailRefusedError

_KEY = "email.smtp_url"
_PORTS = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
_KINDS = (
    "smtps://user:password@host:465, smtp+starttls://user:password@host:587, or smtp://host:port for a "
    "loopback address"
)
# A server that does not reply within this time is taken as unreachable.
_SECONDS = 30.0
# After the last byte a server may scan for viruses and spam; hanging up sooner doubles mails (RFC
# 5321, 4.5.3.2.6, asks for ten minutes). A run locks the warehouse meanwhile.
_ANSWER_SECONDS = 300.0

# One session in all, whatever the server sends meanwhile.
_WHOLE_SECONDS = 600.0

_READY = 354
_OK = range(200, 300)
_TEMPORARY = range(400, 500)


@dataclass(frozen=True)
class Server:
    """The mail server: its address, encryption and login."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def description(self) -> str:
        """The server, without its login."""
        kind = {"smtps": "TLS", "smtp+starttls": "STARTTLS", "smtp": "no encryption, loopback"}
        return f"{self.host}:{self.port} ({kind[self.scheme]})"


@dataclass(frozen=True)
class Refusal:
    """A recipient that the server refused, with its codes, such as 550 5.1.1."""

    recipient: str
    code: int
    codes: str

    @property
    def is_temporary(self) -> bool:
        """Whether the server may accept the recipient later."""
        return self.code in _TEMPORARY


@dataclass(frozen=True)
class Handover:
    """The result of one transaction: the server has the mail for the accepted recipients."""

    accepted: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()


def server_of(settings: Settings) -> Server:
    """The server of `email.smtp_url`, with its login from the environment.

    Raises:
        ConfigurationError: if it is not a valid address; the message does not quote it.
    """
    try:
        parts = urlsplit(expand_address(settings.email.smtp_url, _KEY))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{_KEY} is not an address; use {_KINDS}.") from None
    if parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.query:
        raise ConfigurationError(f"{_KEY} is not the address of a mail server; use {_KINDS}.")
    if parts.scheme == "smtp" and not _is_loopback(host):
        raise ConfigurationError(
            f"{_KEY}: smtp:// sends in the clear, and {host} is another machine; use smtp+starttls:// "
            "or smtps://."
        )
    return Server(
        parts.scheme,
        host,
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_login(server: Server, sender_domain: str) -> None:
    """Log in and out without sending mail.

    Raises:
        MailError: if that fails; the message says what to do.
    """
    with _session(server, sender_domain) as smtp, _plain_errors(server, "the login"):
        _expect_ok(server, "NOOP", *smtp.noop())


def send(
    server: Server,
    sender: str,
    recipients: Sequence[str],
    content: bytes,
    *,
    answer_seconds: float = _ANSWER_SECONDS,
) -> Handover:
    """Send one mail to these recipients in one transaction; the server may accept some or none.

    Raises:
        MailError: if this try reached nobody; `in_doubt` if the mail may have arrived anyway.
        MailRefusedError: if the server refuses this mail, or any mail from here.
    """
    with _session(server, domain_of(sender)) as smtp:
        with _plain_errors(server, "the mail transfer"):
            options = [f"size={len(content)}"] if smtp.has_extn("size") else []
            _expect_ok(server, "the sender", *smtp.mail(sender, options))
            refused = []
            for recipient in recipients:
                code, text = smtp.rcpt(recipient)
                if code not in _OK:
                    refused.append(Refusal(recipient, code, _codes(code, text)))
            accepted = tuple(set(recipients) - {refusal.recipient for refusal in refused})
            if not accepted:
                return Handover((), tuple(refused))
            code, text = smtp.docmd("DATA")
            if code != _READY:
                raise _refused(server, "the mail", code, text)
            # RFC 5321, 4.5.2: a dot alone ends the mail, so a dot at the start of a line is doubled.
            smtp.send(re.sub(rb"(?m)^\.", b"..", content))
        _end(server, smtp, answer_seconds)
    return Handover(
        tuple(recipient for recipient in recipients if recipient in accepted), tuple(refused)
    )


class _Timed:
    """Ends the whole session after some minutes: smtplib's timeout goes for each line of an answer."""

    sock: Any

    def connect(self, *args: Any, **keys: Any) -> tuple[int, bytes]:
        """Connect, and start the time."""
        self._timer = threading.Timer(_WHOLE_SECONDS, self._cut)
        self._timer.daemon = True
        self._timer.start()
        return super().connect(*args, **keys)  # type: ignore[misc, no-any-return]

    def _cut(self) -> None:
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close, and stop the time."""
        self._timer.cancel()
        super().close()  # type: ignore[misc]


class _Plain(_Timed, smtplib.SMTP):
    pass


class _Encrypted(_Timed, smtplib.SMTP_SSL):
    pass


def _end(server: Server, smtp: smtplib.SMTP, answer_seconds: float) -> None:
    """Send the last byte and wait for the server to confirm the mail.

    Raises:
        MailError: if it does not answer; then it is in doubt whether the mail arrived.
    """
    try:
        if smtp.sock:
            smtp.sock.settimeout(answer_seconds)
        smtp.send(b".\r\n")
        code, text = smtp.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise MailError(
            f"{server.host} did not confirm the mail ({_reason(error)}), which may have arrived.",
            in_doubt=True,
        ) from None
    _expect_ok(server, "the mail", code, text)


@contextmanager
def _session(server: Server, name: str) -> Iterator[smtplib.SMTP]:
    """An encrypted session with a login; `name` is the sender's domain, as we introduce ourselves.

    Raises:
        MailError: if it cannot be opened.
    """
    smtp: smtplib.SMTP | None = None
    try:
        with _plain_errors(server, "the connection"):
            if server.scheme == "smtps":
                smtp = _Encrypted(
                    server.host,
                    server.port,
                    local_hostname=name,
                    timeout=_SECONDS,
                    context=ssl.create_default_context(),
                )
            else:
                smtp = _Plain(server.host, server.port, local_hostname=name, timeout=_SECONDS)
            smtp.ehlo_or_helo_if_needed()
            if server.scheme == "smtp+starttls":
                _expect_ok(server, "STARTTLS", *smtp.starttls(context=ssl.create_default_context()))
                smtp.ehlo_or_helo_if_needed()
            if server.user:
                _login(server, smtp)
        yield smtp
        with suppress(smtplib.SMTPException, OSError):  # the server has the mail already
            smtp.quit()
    finally:
        if smtp is not None:
            smtp.close()


def _login(server: Server, smtp: smtplib.SMTP) -> None:
    """Log in with PLAIN where offered, which carries UTF-8 (RFC 4616); smtplib's own does not."""
    if "PLAIN" not in smtp.esmtp_features.get("auth", "").upper().split():
        smtp.login(server.user, server.password)
        return
    secret = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
    _expect_ok(server, "user and password", *smtp.docmd("AUTH", f"PLAIN {secret}"))


@contextmanager
def _plain_errors(server: Server, step: str) -> Iterator[None]:
    """Turn errors into ones that say what went wrong, and whether to try again.

    Raises:
        MailError: with the server and its code, without an address or a secret.
    """
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailRefusedError(
            f"The certificate of {server.description} is not valid: {error.verify_message}. Correct "
            f"the host in {_KEY}, or name your own certificate authority in the variable SSL_CERT_FILE."
        ) from None
    except smtplib.SMTPAuthenticationError as error:
        raise _refused(server, "user and password", error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPNotSupportedError:
        raise MailRefusedError(
            f"{server.description} does not offer STARTTLS, or offers no supported login; see {_KEY}."
        ) from None
    except smtplib.SMTPResponseException as error:
        raise _refused(server, step, error.smtp_code, error.smtp_error) from None
    except UnicodeError:
        raise MailRefusedError(
            f"The user or password in {_KEY} has characters that SMTP cannot carry; use ASCII."
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailError(
            f"{server.description} did not answer during {step} ({_reason(error)})."
        ) from None


def _expect_ok(server: Server, what: str, code: int, text: bytes) -> None:
    if code not in _OK:
        raise _refused(server, what, code, text)


def _refused(server: Server, what: str, code: int, text: bytes | str) -> MailError:
    kind = MailError if code in _TEMPORARY or code < 0 else MailRefusedError
    return kind(f"{server.description} refused {what} ({_codes(code, text)}).")


def _codes(code: int, text: bytes | str) -> str:
    """The server's code, with the enhanced code of RFC 3463 if there is one."""
    reply = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    enhanced = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", reply)
    return f"{code} {enhanced[0]}" if enhanced else str(code)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the connection was closed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
