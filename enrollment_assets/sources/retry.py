"""Retries a source that did not answer, with growing pauses."""

from typing import Any

import tenacity

from enrollment_assets.config import Settings
from enrollment_assets.errors import SourceUnavailableError
from enrollment_assets.support import progress

_LONGEST_PAUSE = 60.0


def retrying(settings: Settings) -> tenacity.Retrying:
    """Several tries of one piece of work; loop over them, and work in the context of each.

    Only a SourceUnavailableError is worth another try; the last one is raised unchanged. Pauses double
    from `source.retry_seconds` on, with some jitter, so that waiting clients do not all return at
    once; an answer that names its own pause gets it. Work that failed for good is not retried by an
    outer loop: a page is a part of a day.
    """
    source = settings.source
    grow = tenacity.wait_exponential_jitter(
        multiplier=source.retry_seconds, max=_LONGEST_PAUSE, jitter=source.retry_seconds / 2
    )

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, SourceUnavailableError) else None
        return grow(state) if asked is None else asked

    def note_retry(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0
        progress.note(f"{error} Trying again in {seconds:.0f} s.")

    def is_worth_it(error: BaseException) -> bool:
        return isinstance(error, SourceUnavailableError) and not error.is_final

    def give_up(state: tenacity.RetryCallState) -> Any:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, SourceUnavailableError):
            error.is_final = True
        return state.outcome and state.outcome.result()  # which raises it

    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(1 + source.retries),
        wait=pause,
        retry=tenacity.retry_if_exception(is_worth_it),
        before_sleep=note_retry,
        retry_error_callback=give_up,
    )
