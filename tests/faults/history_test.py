"""The checker itself: a green fault test says nothing unless a lost and a doubled update would turn it red."""
import random

import pytest
from history import History, check


@pytest.fixture
def history():
    """File a: two acknowledged, one refused, two without an answer. File b: one acknowledged on the second attempt."""
    history = History(random.Random(1))
    for with_key, statuses in [(True, [200]), (False, [200]), (True, [400]), (False, [None]), (False, [503])]:
        update = history.update("a", with_key=with_key)
        for status in statuses:
            update.answered(status)
    late = history.update("b", with_key=True)
    late.answered(None)
    late.answered(200)
    return history


def totals(history, *numbers):
    out = {}
    for number in numbers:
        update = history.updates[number]
        done, warn = out.get(update.filename, (0, 0))
        out[update.filename] = done + update.mark, warn + update.warn
    return out


@pytest.mark.parametrize("applied", [[], [3], [4], [3, 4]])
def test_an_update_without_an_answer_may_count_or_not(history, applied):
    assert check(history, totals(history, 0, 1, 5, *applied)) == []
    assert check(history, totals(history, 0, 1, 5, *applied)) == []  # what was learnt holds


def test_what_was_learnt_is_held_to(history):
    assert check(history, totals(history, 0, 1, 5, 3)) == []
    assert check(history, totals(history, 0, 1, 5)) == [f"lost: {history.updates[3]}"]
    assert check(history, totals(history, 0, 1, 5, 3, 4)) == [
        f"counted although it was refused or never sent: {history.updates[4]}"]


@pytest.mark.parametrize("lost, rest", [(0, [1, 5]), (1, [0, 5, 3]), (5, [0, 1, 3, 4])])
def test_a_lost_update_is_caught(history, lost, rest):
    assert check(history, totals(history, *rest)) == [f"lost: {history.updates[lost]}"]


@pytest.mark.parametrize("doubled, applied", [(0, []), (1, [4]), (3, [3]), (5, [3, 4])])
def test_a_doubled_update_is_caught(history, doubled, applied):
    assert check(history, totals(history, 0, 1, 5, *applied, doubled)) == [f"doubled: {history.updates[doubled]}"]


def test_a_refused_update_that_counts_is_caught(history):
    assert check(history, totals(history, 0, 1, 2, 5)) == [
        f"counted although it was refused or never sent: {history.updates[2]}"]


def test_lost_and_doubled_at_once_are_caught(history):
    fault, = check(history, totals(history, 0, 0, 5))
    assert "done differs" in fault


def test_a_file_that_nobody_reported_is_caught(history):
    assert len(check(history, totals(history, 0, 1, 5) | {"c": (5, 1)})) == 1
    assert len(check(history, totals(history, 0, 1))) == 1


@pytest.mark.parametrize("text, unknown", [("The store is not available; the update was not applied: retry it", False),
                                           ("The update may still be applied", True), ("", True)])
def test_a_503_that_promises_is_held_to_it(history, text, unknown):
    update = history.update("a", with_key=False)
    update.answered(503, text)
    assert update.unknown is unknown


def test_open_are_the_keyed_ones_without_an_acknowledgement(history):
    assert history.open() == [history.updates[2]]
