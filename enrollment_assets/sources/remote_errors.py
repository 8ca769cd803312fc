"""Errors of disks, file servers and object stores in words: wait, or do something about it."""

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


def is_of_a_driver(error: BaseException) -> bool:
    """Whether an error comes from one of the packages behind fsspec."""
    return any(kind.__module__.partition(".")[0] in _DRIVERS for kind in type(error).__mro__)


def what_is_wrong(error: BaseException, folder: str) -> SourceError:
    """The error as one of ours. Its own text is left out: it may hold a secret of the address."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & _HOST_KEY:
        return SourceError(
            f"{folder}: the server's host key is not among the known ones: compare it with what its "
            "owner says, and add it to ~/.ssh/known_hosts, or name a file in "
            "source.options.known_hosts."
        )
    if names & _LOGIN:
        return SourceError(
            f"{folder} refused the login: correct user, key or password in the environment and under "
            "source.options."
        )
    if isinstance(error, PermissionError):
        return SourceError(f"{folder} may not be read by this user; give it the right to.")
    if isinstance(error, NotADirectoryError):
        return SourceError(f"{folder} is a file where a folder should be; correct source.url.")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return SourceUnavailableError(
        f"{folder} could not be read ({reason}); see whether it is there."
    )
