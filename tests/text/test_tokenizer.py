import pytest

from paddle_vlm.text.tokenizer import UNKNOWN, Tokenizer

TEXTS = ["酒店很好,房间干净", "酒店不好,房间太小", "酒店一般"] * 3


def fitted(size: int = 12_000) -> Tokenizer:
    plain = Tokenizer()
    return Tokenizer.fit([plain.words(text) for text in TEXTS], size)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return fitted()


def test_known_words_are_one_number_and_unknown_ones_their_characters(tokenizer):
    numbers = tokenizer.encode("酒店房店", 10)
    assert [tokenizer.vocabulary[n] for n in numbers] == ["酒店", "房", "店"]


def test_what_is_not_known_at_all_has_the_number_for_that(tokenizer):
    assert tokenizer.encode("🍎", 10) == [UNKNOWN]
    assert tokenizer.encode("", 10) == tokenizer.encode(" \n\t", 10) == []


def test_width_case_spaces_and_long_repetitions_do_not_matter(tokenizer):
    assert tokenizer.words("ＷＩＦＩ　很好") == tokenizer.words("wifi 很好")
    assert tokenizer.words("好" + "!" * 50) == tokenizer.words("好!!!!")


def test_a_long_text_keeps_both_ends(tokenizer):
    numbers = tokenizer.encode("酒店" + "房间" * 50 + "干净", 8)
    assert len(numbers) == 8
    assert tokenizer.vocabulary[numbers[0]] == "酒店" and tokenizer.vocabulary[numbers[-1]] == "干净"


def test_the_vocabulary_is_no_larger_than_asked_and_holds_the_characters():
    tokenizer = fitted(size=10)
    assert len(tokenizer.vocabulary) == 10
    assert {"酒", "店"} <= set(tokenizer.vocabulary)
