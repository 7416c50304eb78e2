import numpy as np
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.caption_vocabulary import PAD, UNKNOWN, CaptionVocabulary, normalize

CAPTIONS = ["一只小狗在草地上奔跑。", "小狗跳过栏杆", "草地上的小狗", "一个男孩在草地上踢足球"]


def test_punctuation_width_and_case_do_not_matter():
    assert normalize(" 穿Ｔ恤的 男孩,在跑!") == normalize("穿t恤的男孩在跑。")


def test_each_character_stands_beside_its_word():
    vocabulary = CaptionVocabulary.of(CAPTIONS, least_characters=1, least_words=2)
    characters, words = vocabulary.encode(["小狗在草地上"], longest=10)
    assert vocabulary.cut("小狗在草地上") == ["小狗", "在", "草地", "上"]
    assert characters.shape == words.shape == (1, 6)
    assert words[0, 0] == words[0, 1] != UNKNOWN  # 小 and 狗 are parts of one word
    assert words[0, 3] == words[0, 4]
    assert len(set(characters[0])) == 6


def test_shorter_texts_are_padded_and_longer_ones_cut():
    vocabulary = CaptionVocabulary.of(CAPTIONS, 1, 1)
    characters, _ = vocabulary.encode(["小狗", "一只小狗在草地上奔跑"], longest=5)
    assert characters.shape == (2, 5)
    assert (characters[0, 2:] == PAD).all()
    assert (characters[1] != PAD).all()


def test_rare_and_unheard_ones_are_unknown():
    vocabulary = CaptionVocabulary.of(CAPTIONS, least_characters=2, least_words=2)
    characters, words = vocabulary.encode(["栏杆", "火箭"], longest=8)
    assert (characters == UNKNOWN).all()
    assert (words == UNKNOWN).all()


def test_an_empty_text_is_one_unknown_character():
    characters, words = CaptionVocabulary.of(CAPTIONS).encode(["", "。。。"], longest=8)
    np.testing.assert_array_equal(characters, [[UNKNOWN], [UNKNOWN]])
    np.testing.assert_array_equal(words, [[UNKNOWN], [UNKNOWN]])


def test_extra_texts_are_known_however_rare():
    vocabulary = CaptionVocabulary.of(CAPTIONS, extra=["红苹果"])
    assert (vocabulary.encode(["红苹果"], 8)[0] != UNKNOWN).all()


def test_it_comes_back_as_it_was_saved(tmp_path):
    vocabulary = CaptionVocabulary.of(CAPTIONS, 1, 1)
    vocabulary.save(tmp_path / "model")
    assert CaptionVocabulary.load(tmp_path / "model") == vocabulary


@pytest.mark.parametrize("content", [None, "{", '{"characters": []}', "[]"])
def test_a_damaged_file_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "vocabulary.json").write_text(content)
    with pytest.raises(MissingWeights, match=r"vocabulary\.json"):
        CaptionVocabulary.load(tmp_path)
