import numpy as np

from paddle_vlm.text.caption_vocabulary import UNKNOWN
from paddle_vlm.training.pairs import Texts, forget


def test_chosen_texts_are_cut_to_the_longest_of_them():
    characters = np.zeros((2, 2, 6), np.int64)
    characters[0, 1, :2], characters[1, 0, :3], characters[1, 1, :6] = 5, 7, 9
    texts = Texts(characters, characters + 1)
    found, _ = texts.take(np.array([0, 1]), np.array([1, 0]))
    np.testing.assert_array_equal(found, [[5, 5, 0], [7, 7, 7]])
    everything, _ = texts.all_of(np.array([1]))
    np.testing.assert_array_equal(everything, characters[1])


def test_some_characters_and_words_are_forgotten_but_never_padding():
    characters = np.full((200, 10), 7)
    characters[:, 6:] = 0
    rng = np.random.default_rng(0)
    hidden, words = forget((characters, characters), 0.3, rng)
    assert 0.25 < (hidden[:, :6] == UNKNOWN).mean() < 0.35
    assert (hidden[:, 6:] == 0).all()
    assert not np.array_equal(hidden, words)  # a hidden word may still be read by its characters
    kept, _ = forget((characters, characters), 0.0, rng)
    np.testing.assert_array_equal(kept, characters)
