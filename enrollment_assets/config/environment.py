"""What the environment says: its variables' names, and the values of `${NAME}`."""

import os
import re
from urllib.parse import quote

from enrollment_assets.errors import ConfigurationError

CONFIG_VARIABLE = "ENROLLMENT_CONFIG"
OVERRIDE_PREFIX = "ENROLLMENT__"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand(value: str, key: str) -> str:
    """Put the environment's values in the place of `${NAME}`.

    Raises:
        ConfigurationError: if a variable is not set; the message names it and the key, no value.
    """

    def replace(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise ConfigurationError(
                f"{key} needs the environment variable {match[1]}, which is not set."
            )
        return found

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
