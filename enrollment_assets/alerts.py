"""Tells the people who run this what went wrong, through Apprise, in words without student data."""

import os

from enrollment_assets.config import Settings, expand
from enrollment_assets.errors import AlertError, ConfigurationError

_DEFAULT = "${ALERT_URL}"


def addresses(settings: Settings) -> list[str]:
    """The configured addresses; the default one counts only where its variable is set.

    Raises:
        ConfigurationError: if an address names a variable that is not set.
    """
    return [
        expand(url, "alerts.urls")
        for url in settings.alerts.urls
        if url != _DEFAULT or "ALERT_URL" in os.environ
    ]


def check_addresses(settings: Settings) -> int:
    """How many addresses there are.

    Raises:
        ConfigurationError: if Apprise does not know one; the message holds no address, since it may
            hold a password.
    """
    import apprise

    found = addresses(settings)
    for number, address in enumerate(found, start=1):
        if not apprise.Apprise().add(address):
            raise ConfigurationError(
                f"alerts.urls: number {number} is no address that Apprise knows; see its services."
            )
    return len(found)


def deliver(settings: Settings, title: str, lines: list[str]) -> None:
    """Send one message to every address.

    Raises:
        AlertError: if an address did not take it; trying again may tell the others twice.
    """
    import apprise

    check_addresses(settings)
    sender = apprise.Apprise()
    for address in addresses(settings):
        sender.add(address)
    if not sender.notify(title=f"{settings.institution.name}: {title}", body="\n".join(lines)):
        raise AlertError("An alert was not delivered: see alerts.urls; it will be tried again.")
