"""Plain errors for disks, file servers and object stores: try again, or do something about it."""

from enrollment_assets.errors import SourceError, SourceUnavailableError

_DRIVERS = frozenset({"asyncssh", "botocore", "aiobotocore", "aiohttp", "gcsfs", "google", "azure"})
_LOGIN = frozenset(
    {
        *("PermissionDenied", "KeyImportError", "KeyEncryptionError"),
        *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
        *("DefaultCredentialsError", "RefreshError", "ClientAuthenticationError"),
    }
)
_HOST_KEY = frozenset({"HostKeyNotVerifiable"})
_NO_RIGHT = frozenset({"PermissionError", "SFTPPermissionDenied"})
_REFUSED = (401, 403)


def _names(error: BaseException | None) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def is_refused(error: BaseException) -> bool:
    """Whether access was denied; object stores say so with a status, gcsfs with a word."""
    statuses = (getattr(error, name, None) for name in ("status_code", "code", "status"))
    return (
        bool(_names(error) & _NO_RIGHT)
        or any(status in _REFUSED for status in statuses)
        or str(error).startswith("Forbidden")
    )


def is_a_login(error: BaseException) -> bool:
    """Whether a user, a key or a password is wrong; sshfs raises a PermissionError for that."""
    return bool((_names(error) | _names(error.__cause__)) & _LOGIN)


def is_of_a_driver(error: BaseException) -> bool:
    """Whether an error comes from one of the packages behind fsspec."""
    return any(kind.__module__.partition(".")[0] in _DRIVERS for kind in type(error).__mro__)


def what_is_wrong(error: BaseException, folder: str) -> SourceError:
    """The error as one of ours, without its own text, which may hold a secret of the address."""
    if _names(error) & _HOST_KEY:
        return SourceError(
            f"{folder}: the server's host key is unknown; verify it with the server's owner and "
            "add it to ~/.ssh/known_hosts, or name a file in source.options.known_hosts."
        )
    if is_a_login(error):
        return SourceError(
            f"{folder} refused the login; correct user, key or password in the environment and under "
            "source.options."
        )
    if is_refused(error):
        login = ", or correct user, key or password in the environment and under source.options"
        return SourceError(
            f"This user may not read {folder}; grant the right to"
            f"{login if '://' in folder else ''}."
        )
    if isinstance(error, NotADirectoryError):
        return SourceError(f"{folder} is a file, not a folder; correct source.url.")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return SourceUnavailableError(
        f"{folder} could not be read ({reason}); check that it exists and can be reached."
    )
