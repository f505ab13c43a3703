# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sampled mode's survivors against a trace of every free: the short form of `make survival`."""
import sys

import pytest

from interpreters import TESTS

sys.path.insert(0, str(TESTS / "survival"))
from survival import Result, Run  # noqa: E402

SECONDS = (10, 30)  # a busy machine gives too few samples in the first
LATER_WINDOWS = 5  # each sees several rounds


@pytest.mark.interpreters("system")
def test_survivors_are_those_that_were_not_freed(interpreter):
    for seconds in SECONDS:
        result = Run("dict_cache", interpreter.id).perform(seconds)
        assert result.is_valid, result
        if result.tells_false and result.tells_kept:
            break
    assert result.tells_false and result.tells_kept, result
    assert result.is_met, (result.explain("false_survivors"), result.explain("missed"))


@pytest.mark.interpreters("system")
def test_what_comes_and_goes_at_one_address_is_found_out(interpreter):
    """Nothing of this program stays, but each round makes the same few objects again, where they were."""
    result = Run("churn", interpreter.id).perform(SECONDS[0])
    assert result.is_valid and result.tells_false and result["windows"] > 10, result
    false = [case for case in result["false_survivors_cases"] if case["later_windows"] >= LATER_WINDOWS]
    assert not false, false


def result_of(allocations, false_survivors, kept, missed, frees_lost=0):
    return Result(allocations=allocations, false_survivors=false_survivors, kept=kept, missed=missed,
                  frees_seen=10 * allocations, frees_lost=frees_lost)


@pytest.mark.parametrize("result, met", [
    (result_of(2000, 2, 950, 50), True),
    (result_of(2000, 3, 950, 50), False),
    (result_of(2000, 2, 949, 51), False),
    (result_of(2000, 0, 1000, 0, frees_lost=1), False),
    (result_of(900, 1, 49, 50), True),
])
def test_the_bars(result, met):
    assert result.is_met == met


def test_too_few_tell_nothing():
    assert not result_of(999, 0, 99, 0).tells_false
    assert not result_of(999, 0, 99, 0).tells_kept
    assert result_of(1000, 0, 0, 100).tells_false and result_of(1000, 0, 0, 100).tells_kept
