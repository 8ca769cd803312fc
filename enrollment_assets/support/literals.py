"""Values as SQL literals, for the few statements that take no bound ones: COPY, ATTACH, views."""


def quoted(value: object) -> str:
    """A value as a SQL text literal."""
    return "'" + str(value).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
