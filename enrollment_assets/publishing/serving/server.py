"""Listens and answers until a signal stops it."""

import ipaddress
import logging
import os
import re
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError
from enrollment_assets.publishing.serving.app import create_app
from enrollment_assets.publishing.serving.guard import logger

TOKEN_VARIABLE = "ENROLLMENT_API_TOKEN"  # noqa: S105 - the variable's name
# 16 characters of `openssl rand -base64` cannot be guessed over a network.
_SHORTEST = 16
_STOP_SECONDS = 5


def find_token() -> str | None:
    """The token from the environment, or None where there is none.

    Raises:
        ConfigurationError: if it could be guessed, or no header can carry it.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if token is None:
        return None
    if len(token) < _SHORTEST or not re.fullmatch(r"[!-~]+", token):
        raise ConfigurationError(
            f"{TOKEN_VARIABLE} must have at least {_SHORTEST} ASCII characters and no spaces; "
            "`openssl rand -hex 32` makes one."
        )
    return token


def serve(settings: Settings, host: str, port: int, on_start: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `on_start` gets the address.

    Raises:
        ConfigurationError: if the address cannot be used, or is reachable by others without a token.
    """
    token = find_token()
    with _listening(host, port, may_be_open=token is not None) as listener:
        config = uvicorn.Config(
            create_app(settings, token),
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            log_config=None,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        _log_to_stderr()
        bound = listener.getsockname()
        name = f"[{bound[0]}]" if listener.family == socket.AF_INET6 else bound[0]
        on_start(f"http://{name}:{bound[1]}")
        _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends with success on a signal; uvicorn's own server raises the signal once more."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        both = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in both}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _listening(host: str, port: int, *, may_be_open: bool) -> Generator[socket.socket]:
    """A socket on the address, which must be a loopback one unless it `may_be_open`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError, OverflowError):
        raise ConfigurationError(
            f"--host {host} is not an address of this machine; 127.0.0.1 serves this machine alone."
        ) from None
    if not may_be_open and not ipaddress.ip_address(str(address[0])).is_loopback:
        raise ConfigurationError(
            f"Other machines can reach {host}, and there is no token; set {TOKEN_VARIABLE} "
            "(`openssl rand -hex 32` makes one), or leave --host at 127.0.0.1."
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {host}:{port} ({error.strerror}); choose another --port."
            ) from None
        yield listener
    finally:
        listener.close()


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addHandler(handler)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
