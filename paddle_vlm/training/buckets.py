"""Batches of texts that are about equally long, so that little of the work is padding."""

from collections.abc import Iterator, Sequence

import numpy as np

from paddle_vlm.training.batches import shuffled

POOL = 32  # batches whose texts are sorted together


def bucketed(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """As `batches.shuffled`, but the texts of a batch have similar lengths; the batches come in random order."""
    generator = np.random.default_rng([seed, epoch, 1])
    sizes = np.asarray(lengths)
    for pool in shuffled(len(sizes), batch_size * POOL, seed, epoch):
        by_length = pool[np.argsort(sizes[pool], kind="stable")]
        groups = [by_length[first : first + batch_size] for first in range(0, len(by_length), batch_size)]
        yield from (groups[i] for i in generator.permutation(len(groups)))
