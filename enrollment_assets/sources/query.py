"""A SELECT in a file, and what it binds."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from enrollment_assets.errors import SourceError

# Comments and quoted text come first, so that nothing in them counts as a bind.
_OUTSIDE = r"--[^\n]*|/\*.*?\*/|{text}|`[^`]*`|::|(?<![:\w]):(?P<bind>[A-Za-z_]\w*)"
_TOKENS = re.compile(_OUTSIDE.format(text=r"'(?:[^']|'')*'|\"[^\"]*\""), re.DOTALL)
# In MySQL and MariaDB a backslash escapes the sign after it.
_MYSQL_TOKENS = re.compile(
    _OUTSIDE.format(text=r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\""), re.DOTALL
)
_BACKSLASHES = frozenset({"mysql", "mariadb"})
_BINDS: Mapping[str, sa.types.TypeEngine[Any]] = {"snapshot_date": sa.Date(), "term": sa.String()}


@dataclass(frozen=True)
class Query:
    """The text of a query file, and what it binds."""

    path: Path
    text: str
    binds: frozenset[str]
    tokens: re.Pattern[str] = _TOKENS

    @classmethod
    def read(cls, path: Path, dialect: str = "") -> "Query":
        """Read a query from its file, for a database of a dialect such as `mysql`.

        Raises:
            SourceError: if the file cannot be read, is not a single SELECT, or has an unknown bind.
        """
        try:
            text = path.read_text(encoding="utf-8-sig").strip()
        except FileNotFoundError:
            raise SourceError(f"source.query: {path} does not exist; correct the path.") from None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise SourceError(
                f"source.query: {path} cannot be read ({reason}); correct the file."
            ) from None
        tokens = _MYSQL_TOKENS if dialect in _BACKSLASHES else _TOKENS
        # Of the same length, so that the statement ends at the same place: a comment may follow it.
        bare = tokens.sub(lambda m: ("x" if m[0][0] in "'\"`:" else " ") * len(m[0]), text)
        ending = re.search(r";[;\s]*$", bare)
        if ending:
            text, bare = text[: ending.start()].rstrip(), bare[: ending.start()]
        if not re.match(r"\s*((select|with)\b|\()", bare, re.IGNORECASE) or ";" in bare:
            raise SourceError(f"source.query: {path} must be a single SELECT and nothing else.")
        binds = {match["bind"] for match in tokens.finditer(text) if match["bind"]}
        unknown = sorted(binds - set(_BINDS))
        if unknown:
            raise SourceError(
                f"source.query: {path} binds :{unknown[0]}; it may only bind :snapshot_date and :term."
            )
        return cls(path, text, frozenset(binds), tokens)

    def with_binds(self, replace: Callable[[str], str], escape: Callable[[str], str] = str) -> str:
        """The text with each bind replaced and the rest passed through `escape`."""

        def put(match: re.Match[str]) -> str:
            return replace(match["bind"]) if match["bind"] else escape(match[0])

        return self.tokens.sub(put, self.text)

    def clause(self, around: str = "{}") -> sa.TextClause:
        """The query for SQLAlchemy, its binds typed; `around` may wrap it."""
        text = self.with_binds(lambda name: f":{name}", lambda part: part.replace(":", "\\:"))
        # A comment at the end must not swallow what comes after it.
        clause = sa.text(around.format(f"{text}\n"))
        typed = [sa.bindparam(name, type_=_BINDS[name]) for name in sorted(self.binds)]
        return clause.bindparams(*typed)
