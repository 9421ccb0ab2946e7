"""Tokens that let a page connect."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.serve.tokens import LIFETIME, Tokens


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_taken_once() -> None:
    tokens = Tokens(Clock())
    token = tokens.make()
    assert [tokens.take(token), tokens.take(token)] == [True, False]


def test_two_tokens_of_an_instant_differ() -> None:
    tokens = Tokens(Clock())
    assert tokens.make() != tokens.make()


def test_an_expired_token_is_not_taken_and_not_remembered_longer_than_it_lives() -> None:
    clock = Clock()
    tokens = Tokens(clock)
    late, used = tokens.make(), tokens.make()
    assert tokens.take(used)
    clock.now += LIFETIME + 0.01
    assert not tokens.take(late) and not tokens.take(used)
    assert not tokens._used


def test_who_restarts_takes_no_token_of_before() -> None:
    clock = Clock()
    before, after = Tokens(clock), Tokens(clock)
    used, unused = before.make(), before.make()
    assert before.take(used)
    assert not after.take(used) and not after.take(unused)


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_a_token_that_was_changed_is_not_taken(place: int) -> None:
    tokens = Tokens(Clock())
    whole = bytearray(urlsafe_b64decode(tokens.make()))
    whole[place % len(whole)] ^= 1
    assert not tokens.take(urlsafe_b64encode(whole).decode())


@given(st.text(max_size=200))
def test_any_other_text_is_not_taken(text: str) -> None:
    assert not Tokens(Clock()).take(text)
