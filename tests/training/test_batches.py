"""Which examples form a batch, and the background thread."""

import threading
import time

import numpy as np
import pytest

from paddle_vlm.training.batches import batch_count, prefetch, shuffled


def test_an_epoch_has_every_example_once_in_an_order_of_its_own():
    first, again, next_one = (list(shuffled(10, 4, seed=1, epoch=epoch)) for epoch in (0, 0, 1))
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert len(first) == batch_count(10, 4)
    assert sorted(np.concatenate(first)) == list(range(10))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(np.concatenate(first), np.concatenate(next_one))


def test_several_processes_share_an_epoch_in_equally_many_batches(monkeypatch):
    from paddle_vlm.training import distributed

    monkeypatch.setattr(distributed, "processes", lambda: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts.append(list(shuffled(10, 2, seed=0, epoch=0)))
    assert {len(part) for part in parts} == {batch_count(10, 2)} == {2}
    assert set(np.concatenate([batch for part in parts for batch in part])) == set(range(10))


def test_prefetching_keeps_items_and_order_and_works_ahead():
    made = []

    def items():
        for number in range(10):
            made.append(number)
            yield number

    taken = prefetch(items(), ahead=3)
    assert next(taken) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(made) == 5  # one taken, three ready, one waiting for a place
    assert list(taken) == list(range(1, 10))


def test_an_error_in_the_background_arrives_where_the_items_are_used():
    def items():
        yield 1
        raise ValueError("broken picture")

    taken = prefetch(items())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="broken picture"):
        next(taken)


def test_the_thread_ends_when_nobody_wants_more():
    taken = prefetch(iter(range(10**9)))
    next(taken)
    taken.close()
    deadline = time.monotonic() + 5
    while any(t.name == "prefetch" for t in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(t.name == "prefetch" for t in threading.enumerate())
