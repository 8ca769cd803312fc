"""Names of tables and columns in the words of the population that is watched.

With `vocabulary: {student: customer, students: customers, enrollment: subscription}` the export
`fact_enrollment_daily` is called `fact_subscription_daily`, and its column `new_students`
`new_customers`. With the default words every name stays as it is.
"""

import re
from collections.abc import Iterable

from enrollment_assets.config.sections import Vocabulary
from enrollment_assets.errors import ConfigurationError


def translated(name: str, vocabulary: Vocabulary) -> str:
    """A name in snake case, word by word.

    >>> words = Vocabulary(student="customer", students="customers", enrollment="Paid plan")
    >>> translated("total_enrollment", words)
    'total_paid_plan'
    """
    words = {key: _snake(word) or key for key, word in vocabulary}
    return "_".join(words.get(part, part) for part in name.split("_"))


def originals(names: Iterable[str], vocabulary: Vocabulary) -> dict[str, str]:
    """The way back: what each translated name is called here.

    Raises:
        ConfigurationError: if two names become one.
    """
    found: dict[str, str] = {}
    for name in names:
        said = translated(name, vocabulary)
        if said in found:
            raise ConfigurationError(
                f"vocabulary: {found[said]} and {name} would both be called {said}; choose other words."
            )
        found[said] = name
    return found


def _snake(word: str) -> str:
    return re.sub(r"[^\w]+", "_", word.lower()).strip("_")
