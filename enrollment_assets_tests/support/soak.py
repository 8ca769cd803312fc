"""How often the long reliability tests repeat: small counts in `make test`, full ones in `make soak`."""

import os

IS_SOAK = bool(os.environ.get("ENROLLMENT_SOAK"))


def count(small: int, full: int) -> int:
    """A number of repetitions."""
    return full if IS_SOAK else small
