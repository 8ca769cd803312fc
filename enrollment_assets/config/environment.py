"""What the environment says: its variables, the file `.env` that adds to them, values of `${NAME}`."""

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from enrollment_assets.config.instance_home import HOME_VARIABLE
from enrollment_assets.errors import ConfigurationError

CONFIG_VARIABLE = "ENROLLMENT_CONFIG"
OVERRIDE_PREFIX = "ENROLLMENT__"
ENV_FILE = ".env"

# The variables that are read by name, and not because a key names them.
VARIABLES: Mapping[str, str] = {
    CONFIG_VARIABLE: "The configuration, if it is not the `enrollment.yaml` of the current folder. "
    "It cannot be in `.env`, which is beside the configuration.",
    "SMTP_URL": "The mail server with its login, unless `email.smtp_url` names another variable.",
    "ALERT_URL": "Where alerts go, unless `alerts.urls` names something else.",
    "ENROLLMENT_API_TOKEN": "The token that `enrollment serve` asks for.",
    "ENROLLMENT_PSEUDONYM_KEY": "The key of pseudonyms, 16 characters or more. Keep it: another key "
    "makes other pseudonyms.",
    "ENROLLMENT_LOCK_WAIT_SECONDS": "Seconds to wait while another run writes; 900 if left out.",
    HOME_VARIABLE: "Folder of the Dagster instance, if it is not the `.dagster` beside the "
    "configuration. Dagster reads it when it starts: set it where a service is started.",
    "SSL_CERT_FILE": "Certificate authorities to trust, if they are not those of the system.",
}

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# What `.env` gave: when it is read again, edited or in another folder, this is not the environment's.
_from_file: dict[str, str] = {}


def load_env_file(folder: Path) -> None:
    """Add what `.env` in a folder says to the environment, which wins where it has a value already.

    It goes into `os.environ`, since boto, Apprise, database drivers and the processes of runs look
    for their credentials there, and nowhere else.

    Raises:
        ConfigurationError: with the file and the line, and never with a value.
    """
    given = _read(folder / ENV_FILE)
    for name, value in list(_from_file.items()):
        if os.environ.get(name) != value:
            del _from_file[name]
        elif name not in given:
            del _from_file[name], os.environ[name]
    for name, value in given.items():
        if name in _from_file or name not in os.environ:
            os.environ[name] = _from_file[name] = value


def is_from_file(name: str) -> bool:
    """Whether a variable has its value from `.env`."""
    return name in _from_file and os.environ.get(name) == _from_file[name]


def open_to_others(folder: Path) -> Path | None:
    """The `.env` of a folder, if others than its owner may read it."""
    path = folder / ENV_FILE
    return path if os.name == "posix" and path.is_file() and path.stat().st_mode & 0o077 else None


def variables_in(value: str) -> list[str]:
    """The names of the variables that a value takes from the environment."""
    return _VARIABLE.findall(value)


def expand(value: str, key: str) -> str:
    """Put the environment's values in the place of `${NAME}`.

    Raises:
        ConfigurationError: if a variable is not set; the message names it and the key, no value.
    """

    def replace(match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise ConfigurationError(
                f"{key} needs the environment variable {match[1]}, which is not set; set it, or write "
                f"it into {ENV_FILE} beside the configuration."
            )
        return value

    return _VARIABLE.sub(replace, value)


def expand_address(value: str, key: str) -> str:
    """The same for an address: a password in it, as in `user:${NAME}@host`, may hold any sign.

    Raises:
        ConfigurationError: if a variable is not set.
    """
    quoted = re.sub(
        r"(?<=:)\$\{\w+\}(?=@)", lambda match: quote(expand(match[0], key), safe=""), value
    )
    return expand(quoted, key)


def _read(path: Path) -> dict[str, str]:
    """The variables of a file, as Dagster reads it too; none where there is no such file."""
    # A folder of this name is a virtual environment.
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    # Messages name lines only: what looks like a name may be a part of a secret on a line of its own.
    seen: dict[str, int] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is None and not binding.error:
            continue
        line = _line(binding)
        place = f"{path}, line {line}"
        name, value = binding.key or "", binding.value
        if value is None or "\0" in value or not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{place}: is not NAME=value; write one variable a line, and quotes around a value "
                "with blanks, as in PASSWORD='two words'."
            )
        if any(used not in seen and used not in os.environ for used in variables_in(value)):
            raise ConfigurationError(
                f"{place}: uses a variable that is not set; set it on an earlier line."
            )
        if name in seen:
            raise ConfigurationError(
                f"{place}: sets the variable of line {seen[name]} again; remove one of them."
            )
        if name == CONFIG_VARIABLE:
            raise ConfigurationError(
                f"{place}: {CONFIG_VARIABLE} says where the configuration is, and this file is "
                "beside it; set it in the environment."
            )
        seen[name] = line
    values = dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in values.items() if value is not None}


def _line(binding: Binding) -> int:
    """The line on which it begins: blank lines before it are counted to it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
