"""Plain errors for databases: whether trying again helps, and what to do, without a row's value."""

import re
from enum import Enum, auto
from pathlib import Path

from enrollment_assets.errors import SourceError, SourceUnavailableError


class Trouble(Enum):
    """What is wrong."""

    LOGIN = auto()
    DATABASE = auto()
    RIGHTS = auto()
    QUERY = auto()
    LOCK = auto()
    TIME = auto()
    LOST = auto()
    BUSY = auto()
    OTHER = auto()


# Trouble that passes by itself: the same query may succeed in a while.
_PASSES = frozenset({Trouble.LOCK, Trouble.TIME, Trouble.LOST, Trouble.BUSY})
_SENTENCES = {
    Trouble.LOGIN: "{where} refused the login of {user}; correct user and password in the environment "
    "variable that source.url names.",
    Trouble.DATABASE: "{where}: there is no such database, or {user} may not open it; correct "
    "source.url.",
    Trouble.RIGHTS: "{where}: {message}; grant {user} SELECT on the tables that {query} reads.",
    Trouble.QUERY: "{where} rejected {query}: {message}. Correct the query.",
    Trouble.LOCK: "{where}: another session has locked a table that {name} reads; wait and try again.",
    Trouble.TIME: "{where} did not finish {name} within {seconds} s, or its administrator stopped "
    "it; make it faster, or raise source.timeout_seconds.",
    Trouble.LOST: "{where} did not answer, or the connection was lost{reason}; check that it is "
    "running and that source.url is right.",
    Trouble.BUSY: "{where} accepts no more connections at the moment; try again later.",
    Trouble.OTHER: "{where} answered {name} with {kind}. The message may hold a student's data and "
    "is not shown.",
}

_SQLSTATES = {  # PostgreSQL; the longest prefix holds
    "08": Trouble.LOST,
    "28": Trouble.LOGIN,
    "3D": Trouble.DATABASE,
    "40001": Trouble.LOCK,
    "40P01": Trouble.LOCK,
    "42": Trouble.QUERY,
    "42501": Trouble.RIGHTS,
    "25006": Trouble.QUERY,
    "53": Trouble.BUSY,
    "55P03": Trouble.LOCK,
    "57014": Trouble.TIME,
    "57P": Trouble.LOST,
}
_MYSQL = {
    Trouble.LOGIN: {1045, 1698, 1251, 2059},
    Trouble.DATABASE: {1044, 1049},
    Trouble.RIGHTS: {1142, 1143, 1370},
    Trouble.QUERY: {1051, 1052, 1054, 1060, 1064, 1109, 1146, 1305, 1792},
    Trouble.LOCK: {1205, 1213},
    Trouble.TIME: {1317, 1969, 3024},
    Trouble.LOST: {1053, 1077, 1152, 1153, 1184, 1927, 2002, 2003, 2005, 2006, 2013, 2026, 2055},
    Trouble.BUSY: {1040, 1203, 1226},
}
_MSSQL = {
    Trouble.LOGIN: {18452, 18456},
    Trouble.DATABASE: {4060, 911},
    Trouble.RIGHTS: {229, 230},
    Trouble.QUERY: {102, 105, 137, 156, 195, 207, 208, 209, 8120},
    Trouble.LOCK: {1205, 1222, 3960},
    Trouble.TIME: {20003},
    Trouble.LOST: {233, 10053, 10054, 10060, 20002, 20004, 20006, 20009, 20047},
    Trouble.BUSY: {10928, 10929, 40501, 40613, 49918},
}
_ORACLE = {
    Trouble.LOGIN: {1005, 1017, 28000, 28001},
    Trouble.DATABASE: {12154, 12505, 12514},
    Trouble.RIGHTS: {1031, 41900},
    Trouble.QUERY: {900, 903, 904, 905, 907, 911, 918, 923, 933, 936, 942, 979, 1008},
    Trouble.LOCK: {54, 60, 30006},
    Trouble.TIME: {1013},
    Trouble.LOST: {28, 1012, 1033, 1034, 1089, 3113, 3114, 3135, 12170, 12528, 12537, 12541, 12545},
    Trouble.BUSY: {18, 20, 12516, 12519, 12520},
}
_ORACLE_THIN = {4011: Trouble.LOST, 4024: Trouble.TIME}
_ORACLE_NETWORK = range(6000, 7000)
_SQLITE = {
    "SQLITE_BUSY": Trouble.LOCK,
    "SQLITE_LOCKED": Trouble.LOCK,
    "SQLITE_ERROR": Trouble.QUERY,
    "SQLITE_READONLY": Trouble.QUERY,
}
# A failed login has no code in psycopg, only the server's message.
_POSTGRES_MESSAGES = (
    (
        re.compile(r"authentication failed|no pg_hba\.conf entry|role .* does not exist"),
        Trouble.LOGIN,
    ),
    (re.compile(r"no password supplied|is not permitted to log in"), Trouble.LOGIN),
    (re.compile(r"database .* does not exist"), Trouble.DATABASE),
    (re.compile(r"too many clients|remaining connection slots"), Trouble.BUSY),
)
_NETWORK = re.compile(
    r"connection refused|timeout expired|timed out|no route to host|network is unreachable|"
    r"could not translate host name|name or service not known|unknown (mysql |mariadb )?server host|"
    r"server closed the connection|lost connection|gone away|connection reset",
    re.IGNORECASE,
)


def plain_error(
    error: BaseException,
    *,
    backend: str,
    where: str,
    user: str | None,
    query: Path,
    seconds: float,
) -> SourceError:
    """The error of a driver as one of ours, in a sentence that says what to do.

    Only errors about the statement itself are quoted: others may hold a value of a row.
    """
    trouble = what_is_wrong(error, backend)
    code = _code(error, backend)
    network = _NETWORK.search(_message(error))
    sentence = _SENTENCES[trouble].format(
        where=where,
        user=user or "nobody",
        query=query,
        name=query.name,
        message=next(iter(_message(error).strip().splitlines()), ""),
        seconds=f"{seconds:.0f}",
        reason=f" ({network[0]})" if network else "",
        kind=f"{type(error).__name__} {code or ''}".strip(),
    )
    return (SourceUnavailableError if trouble in _PASSES else SourceError)(sentence)


def what_is_wrong(error: BaseException, backend: str) -> Trouble:
    """What an error of a driver means, by its code, or by its message where it has none."""
    code = _code(error, backend)
    text = _message(error)
    if backend == "postgresql":
        if isinstance(code, str):
            fitting = [prefix for prefix in _SQLSTATES if code.startswith(prefix)]
            return _SQLSTATES[max(fitting, key=len)] if fitting else Trouble.OTHER
        known = (trouble for pattern, trouble in _POSTGRES_MESSAGES if pattern.search(text))
        return next(known, Trouble.LOST if _is_operational(error) else Trouble.OTHER)
    if backend == "sqlite":
        name = str(code or "")
        return next((t for start, t in _SQLITE.items() if name.startswith(start)), Trouble.OTHER)
    if backend == "oracle" and text.startswith("DPY-") and isinstance(code, int):
        trouble = _ORACLE_THIN.get(code)
        return trouble or (Trouble.LOST if code in _ORACLE_NETWORK else Trouble.OTHER)
    codes = {"mssql": _MSSQL, "oracle": _ORACLE}.get(backend, _MYSQL)
    trouble = next((trouble for trouble, numbers in codes.items() if code in numbers), None)
    if trouble is None and _is_operational(error) and _NETWORK.search(text):
        return Trouble.LOST
    return trouble or Trouble.OTHER


def _is_operational(error: BaseException) -> bool:
    return any(
        kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(error).__mro__
    )


def _code(error: BaseException, backend: str) -> int | str | None:
    if backend == "postgresql":
        return getattr(error, "sqlstate", None)
    if backend == "sqlite":
        return getattr(error, "sqlite_errorname", None)
    if backend == "oracle":
        digits = re.match(r"(?:ORA|DPY)-(\d+)", _message(error))
        return int(digits[1]) if digits else None
    first = error.args[0] if error.args else None
    if isinstance(first, tuple) and first:  # pymssql
        first = first[0]
    return first if isinstance(first, int) else None


def _message(error: BaseException) -> str:
    """The text of an error; drivers give it after a number, in a pair, or as bytes."""
    parts = error.args[0] if error.args and isinstance(error.args[0], tuple) else error.args
    texts = [part.decode(errors="replace") if isinstance(part, bytes) else part for part in parts]
    return " ".join(str(text) for text in texts if not isinstance(text, int))
