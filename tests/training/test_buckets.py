import numpy as np

from paddle_vlm.training.buckets import bucketed

LENGTHS = np.random.default_rng(0).integers(1, 100, 1000).tolist()


def test_each_text_comes_once_and_the_order_follows_from_seed_and_epoch():
    first, again, later = ([batch.tolist() for batch in bucketed(LENGTHS, 16, 0, epoch)] for epoch in (1, 1, 2))
    assert sorted(number for batch in first for number in batch) == list(range(1000))
    assert first == again != later


def test_the_texts_of_a_batch_are_about_equally_long_but_batches_come_mixed():
    batches = list(bucketed(LENGTHS, 16, 0, 0))
    spread = [np.ptp([LENGTHS[i] for i in batch]) for batch in batches]
    longest = [max(LENGTHS[i] for i in batch) for batch in batches]
    assert np.median(spread) < 10
    assert longest != sorted(longest)
