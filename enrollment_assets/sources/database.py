"""One query on the student system's database, through SQLAlchemy: read-only, consistent, streamed.

PostgreSQL sends its rows by COPY, which is three times as fast as a cursor; other databases use a
server-side cursor. Either way a million rows need no more memory than ten thousand.
"""

import datetime as dt
import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from enrollment_assets.config import Settings
from enrollment_assets.config.environment import expand_address
from enrollment_assets.config.source import DatabaseKeys
from enrollment_assets.errors import SourceError
from enrollment_assets.sources.base import Extract, Probe, refuse_past
from enrollment_assets.sources.columns import as_text, find_columns
from enrollment_assets.sources.copying import copied_columns, read_copy
from enrollment_assets.sources.database_errors import plain_error
from enrollment_assets.sources.query import Query

_BATCH_ROWS = 20_000
_SAMPLE_ROWS = 1_000
# How these dialects limit a query to its first rows: the text before and after.
_FIRST_ROWS = {
    "mssql": (f"TOP {_SAMPLE_ROWS}", ""),
    "oracle": ("", f"WHERE rownum <= {_SAMPLE_ROWS}"),
}
_CONNECT_SECONDS = 30
# A nightly job of the student system may lock tables that the query reads; a longer wait is retried.
_LOCK_SECONDS = 60

# The preferred driver comes first: mysqlclient is twice as fast as PyMySQL, but must be compiled.
_DRIVERS = {
    "postgresql": {"psycopg": "psycopg"},
    "mysql": {"mysqldb": "MySQLdb", "pymysql": "pymysql"},
    "mariadb": {"mysqldb": "MySQLdb", "pymysql": "pymysql"},
    "mssql": {"pymssql": "pymssql"},
    "oracle": {"oracledb": "oracledb"},
    "sqlite": {"pysqlite": "sqlite3"},
}
_EXTRAS = {"mariadb": "mysql"}


class DatabaseSource:
    """A database that is queried for one day at a time."""

    is_live = True

    def __init__(self, settings: Settings, keys: DatabaseKeys) -> None:
        self._settings = settings
        self._keys = keys

    @cached_property
    def _query(self) -> Query:
        path = (self._settings.base / self._keys.query).resolve()
        return Query.read(path, self._url.get_backend_name())

    @cached_property
    def _url(self) -> sa.URL:
        """The address with the driver that is installed.

        Raises:
            SourceError: if it is not a valid address, or its driver is not installed.
        """
        text = expand_address(self._keys.url, "source.url").replace(
            "postgres://", "postgresql://", 1
        )
        try:
            url = sa.make_url(text)
        except (sa.exc.ArgumentError, ValueError):
            raise SourceError(
                "source.url is not the address of a database; write it as "
                "postgresql://user:${PASSWORD}@host:5432/database."
            ) from None
        backend, _, driver = url.drivername.partition("+")
        known = _DRIVERS.get(backend)
        if known is None:
            raise SourceError(
                f"source.url: {backend} databases are not supported; supported are "
                f"{', '.join(_DRIVERS)}."
            )
        if not driver:
            there = [name for name, module in known.items() if importlib.util.find_spec(module)]
            if not there:
                extra = _EXTRAS.get(backend, backend)
                raise SourceError(
                    f"A {backend} database needs its driver: .venv/bin/pip install -e '.[{extra}]'."
                )
            url = url.set(drivername=f"{backend}+{there[0]}")
        return self._sqlite_url(url) if backend == "sqlite" else url

    def _sqlite_url(self, url: sa.URL) -> sa.URL:
        path = (self._settings.base / (url.database or "")).resolve()
        if not path.is_file():
            raise SourceError(f"source.url: {path} does not exist; correct the path.")
        return sa.make_url("sqlite+pysqlite://").set(
            database=path.as_uri(), query={"mode": "ro", "uri": "true"}
        )

    @cached_property
    def _engine(self) -> sa.Engine:
        try:
            return sa.create_engine(
                self._url, connect_args=self._connect_args(), poolclass=sa.NullPool
            )
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError):
            raise SourceError(
                f"source.url: the driver {self._url.drivername} is unknown or not installed; "
                "install it, or name another one."
            ) from None

    def _connect_args(self) -> dict[str, Any]:
        seconds = int(self._keys.timeout_seconds) or 1
        login = min(_CONNECT_SECONDS, seconds)
        by_driver: dict[str, dict[str, Any]] = {
            "psycopg": {
                "connect_timeout": login,
                "tcp_user_timeout": seconds * 1000,
                "client_encoding": "utf8",
                "application_name": "enrollment_assets",
            },
            "mysqldb": {"connect_timeout": login, "read_timeout": seconds, "charset": "utf8mb4"},
            "pymysql": {"connect_timeout": login, "read_timeout": seconds, "charset": "utf8mb4"},
            "pymssql": {"login_timeout": login, "timeout": seconds, "charset": "UTF-8"},
            "oracledb": {"tcp_connect_timeout": login},
            "pysqlite": {"timeout": min(_LOCK_SECONDS, self._keys.timeout_seconds)},
        }
        given = by_driver.get(self._url.get_driver_name(), {})
        return {name: value for name, value in given.items() if name not in self._url.query}

    @property
    def _where(self) -> str:
        url = self._url
        host = f" at {url.host}" if url.host else ""
        port = f":{url.port}" if url.port else ""
        database = (url.database or "").removeprefix("file://")
        return f"{url.get_backend_name()}{host}{port} ({database})"

    def check(self) -> None:
        """Make sure that the query and the address can be used; nothing is sent yet."""
        _ = self._query, self._engine

    def dates(self) -> list[dt.date] | None:
        """Today, if the query only gives the present; otherwise unknown."""
        return None if "snapshot_date" in self._query.binds else [self._settings.today()]

    @contextmanager
    def read(self, date: dt.date) -> Iterator[Extract]:
        """Query one day: the query runs once, or once for each open term if it binds `:term`."""
        self.check()
        if "snapshot_date" not in self._query.binds:
            refuse_past(
                self._settings,
                date,
                what=f"The query {self._query.path}",
                bind=":snapshot_date",
            )
        with self._connected() as connection:
            yield Extract(
                date, f"{self._where}: {self._query.path.name}", self._rows(connection, date)
            )

    def probe(self, date: dt.date) -> Probe:
        """Query the columns and the first rows."""
        self.check()
        empty = self._query.clause("SELECT * FROM (\n{}) enrollment_probe WHERE 1 = 0")
        with self._connected() as connection, self._plain_errors():
            binds = next(iter(self._binds(date)), self._values(date, None))
            columns = list(connection.execute(empty, binds).keys())
            first, last = _FIRST_ROWS.get(connection.dialect.name, ("", f"LIMIT {_SAMPLE_ROWS}"))
            sample = f"SELECT {first} 1 AS one FROM (\n{{}}) enrollment_probe {last}"
            count = f"SELECT count(*) FROM ({sample}) enrollment_sample"
            self._places(columns)
            rows = connection.execute(self._query.clause(count), binds).scalar_one()
        user = f", as {self._url.username}" if self._url.username else ""
        where = f"{self._where}{user}; {self._query.path.name}"
        return Probe(where, columns, rows, is_all=rows < _SAMPLE_ROWS)

    def _values(self, date: dt.date, term: str | None) -> dict[str, Any]:
        values = {"snapshot_date": date, "term": term}
        return {name: values[name] for name in sorted(self._query.binds)}

    def _binds(self, date: dt.date) -> list[dict[str, Any]]:
        """The values to bind, one set for each time that the query runs for a day."""
        if "term" not in self._query.binds:
            return [self._values(date, None)]
        return [self._values(date, term.code) for term in self._settings.open_terms(date)]

    def _rows(self, connection: sa.Connection, date: dt.date) -> Iterator[pa.RecordBatch]:
        read = self._copy if connection.dialect.driver == "psycopg" else self._fetch
        with self._plain_errors():
            for binds in self._binds(date):
                for batch in read(connection, binds):
                    if "term" in binds and "term" not in self._settings.columns:
                        codes = pa.repeat(pa.scalar(binds["term"], pa.string()), batch.num_rows)
                        yield batch.append_column("term", codes)
                    else:
                        yield batch

    def _places(self, header: list[str]) -> dict[str, int]:
        return find_columns(
            self._settings.source_columns,
            header,
            what=f"The query {self._query.path.name}",
            config=str(self._settings.path),
        )

    def _fetch(self, connection: sa.Connection, binds: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        """The rows of a streaming cursor, read column by column.

        It is the driver's own cursor: SQLAlchemy's rows would double the time for nothing.
        """
        compiled: Any = self._query.clause().compile(dialect=connection.dialect)
        values = {name: _as_driver_wants(value, connection) for name, value in binds.items()}
        cursor = _streaming_cursor(connection)
        try:
            cursor.execute(
                str(compiled),
                tuple(values[name] for name in compiled.positiontup)
                if compiled.positional
                else values,
            )
            places = self._places([column[0] for column in cursor.description])
            while rows := cursor.fetchmany(_BATCH_ROWS):
                columns = list(zip(*rows, strict=True))
                yield pa.RecordBatch.from_arrays(
                    [as_text(columns[place]) for place in places.values()], names=list(places)
                )
        finally:
            _forget_the_rest(cursor)

    def _copy(self, connection: sa.Connection, binds: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        """The rows as PostgreSQL's COPY sends them.

        COPY has no bind variables: the values are bound to settings of this transaction, which the
        query reads.
        """
        for name, value in binds.items():
            connection.execute(
                sa.text("SELECT set_config(:name, :value, true)"),
                {"name": f"enrollment.{name}", "value": str(value)},
            )
        casts = {"snapshot_date": "::date", "term": "::text"}
        query = self._query.with_binds(
            lambda name: f"(current_setting('enrollment.{name}'){casts[name]})"
        )
        raw: Any = connection.connection.driver_connection
        columns = copied_columns(raw, query)
        places = self._places([column.name for column in columns])
        yield from read_copy(raw, query, columns, places)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """A connection in a read-only transaction that sees a single moment."""
        with self._plain_errors():
            connection = self._engine.connect()
        try:
            with self._plain_errors():
                _begin(connection, self._keys.timeout_seconds)
            yield connection
        finally:
            # An unfinished cursor can only be stopped by closing the connection.
            connection.invalidate()
            connection.close()

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        error_of_driver = self._engine.dialect.loaded_dbapi.Error
        try:
            yield
        except sa.exc.DBAPIError as error:
            cause: BaseException = error.orig or error
        except error_of_driver as error:
            cause = error
        else:
            return
        raise plain_error(
            cause,
            backend=self._url.get_backend_name(),
            where=self._where,
            user=self._url.username,
            query=self._query.path,
            seconds=self._keys.timeout_seconds,
        ) from None


def _streaming_cursor(connection: sa.Connection) -> Any:
    """A cursor that leaves the rows with the server until they are fetched."""
    driver = connection.connection
    kinds = {"mysqldb": "MySQLdb.cursors", "pymysql": "pymysql.cursors"}
    module = kinds.get(connection.dialect.driver)
    cursor: Any = (
        driver.cursor(importlib.import_module(module).SSCursor) if module else driver.cursor()
    )
    cursor.arraysize = _BATCH_ROWS
    return cursor


def _forget_the_rest(cursor: Any) -> None:
    """Keep PyMySQL from reading the rest of a result.

    It reads results to their end when they are discarded, which fails on a closed connection and prints
    a traceback.
    """
    result: Any = getattr(cursor, "_result", None)
    if getattr(result, "unbuffered_active", False):
        result.unbuffered_active = False


def _as_driver_wants(value: Any, connection: sa.Connection) -> Any:
    """SQLite has no dates; the other drivers bind them."""
    is_text = isinstance(value, dt.date) and connection.dialect.name == "sqlite"
    return value.isoformat() if is_text else value


def _begin(connection: sa.Connection, timeout_seconds: float) -> None:
    """Begin to read: nothing can be written, and concurrent writes are not seen."""
    milliseconds = int(timeout_seconds * 1000)
    statements = {
        "postgresql": (
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            f"SET LOCAL statement_timeout = {milliseconds}",
            f"SET LOCAL lock_timeout = {min(_LOCK_SECONDS * 1000, milliseconds // 2)}",
        ),
        "mysql": (
            f"SET SESSION max_execution_time = {milliseconds}",
            *_mysql_statements(timeout_seconds),
        ),
        "mariadb": (
            f"SET SESSION max_statement_time = {timeout_seconds}",
            *_mysql_statements(timeout_seconds),
        ),
        "mssql": (
            f"SET LOCK_TIMEOUT {_LOCK_SECONDS * 1000}",
            # Without it a long read would block writers, or see concurrent writes.
            _SNAPSHOT_WHERE_ALLOWED,
        ),
        "oracle": ("SET TRANSACTION READ ONLY",),
        "sqlite": ("PRAGMA query_only = ON",),
    }
    name = connection.dialect.name
    if name == "mysql" and getattr(connection.dialect, "is_mariadb", False):
        name = "mariadb"
    for statement in statements[name]:
        connection.exec_driver_sql(statement)


_SNAPSHOT_WHERE_ALLOWED = (
    "IF EXISTS (SELECT 1 FROM sys.databases WHERE database_id = DB_ID() "
    "AND snapshot_isolation_state = 1) SET TRANSACTION ISOLATION LEVEL SNAPSHOT"
)


def _mysql_statements(timeout_seconds: float) -> tuple[str, ...]:
    return (
        # The server must wait while the warehouse stores what it sent.
        f"SET SESSION net_write_timeout = {max(int(timeout_seconds), 60)}",
        f"SET SESSION lock_wait_timeout = {max(1, min(_LOCK_SECONDS, int(timeout_seconds / 2)))}",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    )
