"""What holds, and where each value comes from: default, configuration file, environment, `.env`.

No secret is in what this returns: variables stay `${NAME}`, and what else may be one is hidden.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_settings import EnvSettingsSource

from enrollment_assets.config.environment import (
    CONFIG_VARIABLE,
    ENV_FILE,
    OVERRIDE_PREFIX,
    VARIABLES,
    is_from_file,
    variables_in,
)
from enrollment_assets.config.file import lines_of
from enrollment_assets.config.settings import Settings
from enrollment_assets.config.source import names_secret

HIDDEN = "***"
DEFAULT = "default"

Key = tuple[str | int, ...]

_VARIABLE = re.compile(r"(\$\{[A-Za-z_]\w*\})")
# To the last @, since a password may hold one.
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):(.*)(?=@)")
# More than is refused in the file: what is shown once is copied into tickets and mails.
_ALSO_SECRET = re.compile(r"^key$|^pwd$|^sig|auth|cookie|credential", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&])([^=&]+)=([^&#]*)")


@dataclass(frozen=True)
class Value:
    """One key, what it is as YAML would have it, and where that comes from."""

    key: str
    shown: str
    origin: str

    @property
    def is_default(self) -> bool:
        """Whether nobody set it."""
        return self.origin.startswith(DEFAULT)


def values(settings: Settings) -> Iterator[Value]:
    """Every key with what holds, section by section.

    Raises:
        ConfigurationError: if the file cannot be read any more.
    """
    lines = lines_of(settings.path, CONFIG_VARIABLE)
    overrides = EnvSettingsSource(Settings)()
    for key, value in _flat((), settings):
        origin = _origin(key, lines, overrides, settings.path.name)
        names = variables_in(str(value))
        if names:
            origin += "; " + ", ".join(f"{name} {state(name)}" for name in dict.fromkeys(names))
        yield Value(_dotted(key), _shown(key, value), origin)


def variables() -> Iterator[Value]:
    """The variables that are read by name: whether they are set, and where."""
    for name in VARIABLES:
        yield Value(name, "", state(name))


def state(name: str) -> str:
    """Whether a variable is set, and where."""
    if name not in os.environ:
        return "not set"
    return f"set in {ENV_FILE}" if is_from_file(name) else "set in the environment"


def _flat(key: Key, value: Any) -> Iterator[tuple[Key, Any]]:
    """The keys below a key: sections, lists of them and mappings fall apart, lists of values stay."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        for name, field in fields.items():
            yield from _flat((*key, field.alias or name), getattr(value, name))
    elif isinstance(value, Mapping) and value:
        for name, below in value.items():
            yield from _flat((*key, str(name)), below)
    elif isinstance(value, list | tuple) and any(
        isinstance(below, BaseModel | Mapping) for below in value
    ):
        for number, below in enumerate(value):
            yield from _flat((*key, number), below)
    else:
        yield key, value


def _origin(key: Key, lines: Mapping[Key, int], overrides: Mapping[str, Any], file: str) -> str:
    if _holds(overrides, key):
        by_name = {name.upper(): name for name in os.environ}
        for length in range(len(key), 0, -1):
            wanted = f"{OVERRIDE_PREFIX}{'__'.join(map(str, key[:length]))}".upper()
            if wanted in by_name:
                name = by_name[wanted]
                return f"{name} in {ENV_FILE if is_from_file(name) else 'the environment'}"
    if key in lines:
        return f"{file} line {lines[key]}"
    return DEFAULT


def _holds(overrides: Any, key: Key) -> bool:
    """Whether the environment says something of a key; a list of it replaces the file's as a whole."""
    for part in key:
        if isinstance(overrides, list):
            return True
        if not isinstance(overrides, Mapping) or part not in overrides:
            return False
        overrides = overrides[part]
    return True


def _dotted(key: Key) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")


def _shown(key: Key, value: Any) -> str:
    """A value in one line, as YAML has it, without what may be a secret."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, list | tuple | frozenset):
        ordered = sorted(value) if isinstance(value, frozenset) else value
        return f"[{', '.join(_shown(key, item) for item in ordered)}]"
    if isinstance(value, Mapping):
        return "{}"
    text = " ".join(str(value).split())
    section, *names = [part for part in key if isinstance(part, str)]
    if section == "source" and any(_is_secret(name) for name in names if name != "auth"):
        text = _only_variables(text)
    elif section == "alerts":
        # Slack and others have their token in the path.
        scheme, separator, rest = text.rpartition("://")
        text = f"{scheme}{separator}{_only_variables(rest)}"
    elif "://" in text:
        text = _without_passwords(text)
    return text


def _is_secret(name: str) -> bool:
    return names_secret(name) or bool(_ALSO_SECRET.search(name))


def _only_variables(text: str) -> str:
    parts = _VARIABLE.split(text)
    return "".join(part if part.startswith("${") else HIDDEN for part in parts if part.strip())


def _without_passwords(text: str) -> str:
    def login(match: re.Match[str]) -> str:
        return f"{match[1]}:{_only_variables(match[2])}"

    def parameter(match: re.Match[str]) -> str:
        value = _only_variables(match[3]) if _is_secret(match[2]) else match[3]
        return f"{match[1]}{match[2]}={value}"

    return _PARAMETER.sub(parameter, _PASSWORD.sub(login, text))
