"""Claims: one job at a time takes the outputs of a slot."""

from __future__ import annotations

import pytest

from pilothouse.services.fastscore.engine.claims import LEASE_SECONDS, Claims
from pilothouse.services.fastscore.engine.machine import NotNowError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_second_job_is_refused_until_the_first_gives_back():
    claims = Claims(Clock())
    claims.claim(1, "a")
    claims.claim(1, "a")
    claims.claim(3, "b")
    with pytest.raises(NotNowError, match="slot 1") as caught:
        claims.claim(1, "b")
    assert caught.value.status == 409
    claims.release(1, "b")
    with pytest.raises(NotNowError):
        claims.claim(1, "b")
    claims.release(1, "a")
    claims.claim(1, "b")


def test_a_claim_that_is_not_repeated_is_over():
    clock = Clock()
    claims = Claims(clock)
    claims.claim(1, "a")
    clock.now = LEASE_SECONDS * 0.9
    claims.claim(1, "a")
    clock.now = LEASE_SECONDS * 1.8
    with pytest.raises(NotNowError):
        claims.claim(1, "b")
    clock.now = LEASE_SECONDS * 2
    claims.claim(1, "b")
    with pytest.raises(NotNowError):
        claims.claim(1, "a")
    claims.clear()
    claims.claim(1, "a")
