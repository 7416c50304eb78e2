"""How well pictures and texts find each other."""

import numpy as np


def recalls(scores: np.ndarray) -> dict[str, float]:
    """Scores [N * K, N] of K texts a picture, in the pictures' order -> percentages.

    t2i_r1, t2i_r5, t2i_r10: of the texts whose picture is among the first 1, 5, 10; i2t_r1: of the pictures whose
    first text is one of its own.
    """
    pictures = scores.shape[1]
    own = np.repeat(np.arange(pictures), len(scores) // pictures)
    rank = (scores > scores[np.arange(len(scores)), own][:, None]).sum(1)
    found = {f"t2i_r{k}": float((rank < k).mean() * 100) for k in (1, 5, 10)}
    return found | {"i2t_r1": float((own[scores.argmax(0)] == np.arange(pictures)).mean() * 100)}
