"""Known specs, slightly wrong: never an exception, never more than two seconds. `RLDSL_FUZZ=10000` for the long run."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.bad_input.mutations import answer, mutated

COUNT = int(os.environ.get("RLDSL_FUZZ", "300"))
SEED = int(os.environ.get("RLDSL_FUZZ_SEED", "1"))


@pytest.mark.slow
def test_a_spec_with_a_few_wrong_words_is_answered_without_an_exception_in_two_seconds() -> None:
    for number in range(COUNT):
        text = mutated(random.Random(SEED * 1_000_003 + number))
        start = time.process_time()
        try:
            answer(text)
        except Exception as fault:
            raise AssertionError(f"spec {number} of seed {SEED}:\n{text}") from fault
        assert time.process_time() - start < 2, text
