"""What a call on the host costs beside others: cheaper ones go first, since what they say may make dearer ones needless."""

from __future__ import annotations

from enum import IntEnum


class Tier(IntEnum):
    """From what is run at once to what is paid for."""

    NATIVE = 0   # a function of this process, of microseconds
    PROCESS = 1  # a verifier or a function of the project, in a worker process or on a thread
    MODEL = 2    # an encoder of texts, a scorer
    JUDGE = 3    # a language model that is asked
