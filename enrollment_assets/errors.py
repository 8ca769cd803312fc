"""The few errors that this project raises on purpose.

Each message is one sentence a person can act on: what happened and what to do. None holds a value of a
student. `transient` says whether trying again can help.
"""


class EnrollmentError(Exception):
    """Base of all of them; its text can be shown unchanged."""

    transient = False


class ConfigurationError(EnrollmentError):
    """The configuration cannot be read or asks for something impossible."""


class SourceError(EnrollmentError):
    """The source cannot be used as it is configured: no day can be read from it."""


class SourceUnavailableError(SourceError):
    """The source did not answer this time.

    `retry_after` is the pause it asked for, in seconds; `is_final` says that all tries are used up.
    """

    transient = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.is_final = False


class SnapshotMissingError(EnrollmentError):
    """The source answered and has nothing for this day; this is not the same as an empty snapshot."""


class SnapshotUnreadableError(EnrollmentError):
    """The day's snapshot exists and cannot be read as what it claims to be."""


class WarehouseError(EnrollmentError):
    """A statement on the warehouse failed; nothing was changed."""


class WarehouseBusyError(WarehouseError):
    """Another process holds the warehouse."""

    transient = True


class InstanceError(EnrollmentError):
    """Dagster's own state cannot be read or written."""

    transient = True


class AlertError(EnrollmentError):
    """An alert could not be delivered."""

    transient = True


class MailError(EnrollmentError):
    """The mail server did not accept a mail this time; the text names no recipient.

    `in_doubt` says that the whole mail was sent and no answer came: it may have arrived.
    """

    transient = True

    def __init__(self, message: str, *, in_doubt: bool = False) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class MailRefusedError(MailError):
    """The mail server will not accept the mail; trying again changes nothing."""

    transient = False


class ExportError(EnrollmentError):
    """An exported table does not exist or cannot be read."""

    transient = True
