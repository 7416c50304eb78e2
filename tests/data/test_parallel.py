from collections import Counter

import numpy as np
import pytest

from paddle_vlm.data.parallel import Confusions, Pair, backing, clean, closest, plainest, read_prepared, token_batches
from paddle_vlm.errors import BadData


def test_lines_that_cannot_teach_are_left_out():
    rows = [
        ["禁止吸烟", "No smoking", "禁止吸姻"],
        ["禁止吸烟", "No smoking", "禁止吸姻"],  # a copy
        ["只有中文"],
        ["12345", "12345"],  # no Chinese
        ["你好", "你好"],  # no English
        ["好", "good day to all of you who have come here from so very far away"],  # not of one length
        ["出\u200b口", "Exit\u0007"],  # control characters
        ["入口", "Entrance", "12"],  # what was read is no Chinese
    ]
    assert clean(rows) == [
        Pair("禁止吸烟", "No smoking", "禁止吸姻"), Pair("出 口", "Exit"), Pair("入口", "Entrance")
    ]  # fmt: skip


def test_the_lines_closest_to_a_domain_are_those_written_like_it():
    signs = [Pair(zh, "a sign") for zh in ("禁止吸烟", "禁止停车", "停车场出口", "吸烟区入口", "请勿停车")]
    talk = [Pair(zh, "some talk") for zh in ("我们明天再说吧", "你怎么还不回来", "他说他不想去了", "我真的很喜欢你")]
    mixed = [
        talk[0],
        Pair("禁止入口停车", "No parking at the entrance"),
        *talk[1:],
        Pair("请勿吸烟", "No smoking, please"),
    ]
    assert [p.chinese for p in closest(mixed, signs, 2)] == ["禁止入口停车", "请勿吸烟"]
    assert closest(mixed, signs, 99) == mixed


def test_of_several_translations_the_one_of_common_words_is_kept():
    like = [Pair("安全出口", "Safety exit"), Pair("出口", "Exit")]
    pairs = [Pair("出口", "egress"), Pair("出口", "exit"), Pair("入口", "ingress")]
    assert plainest(pairs, like) == [pairs[1], pairs[2]]


def test_a_translation_is_backed_by_the_senses_of_its_words():
    assert backing("禁止吸烟 ⇢ forbid | smoking", "Smoking is forbidden") == 1.0
    assert backing("走吧 ⇢ walk | let's", "I'll call the police tomorrow") == 0.0
    assert backing("我 ⇢ I", "I") == 0.0  # little words say nothing


def test_misread_characters_are_those_that_the_engine_took_for_others():
    pairs = [Pair("禁止吸烟", "No smoking", "禁止吸姻")] * 3 + [Pair("吸烟室", "Smoking room", "吸烟室")]
    pairs.append(Pair("小心", "Careful", "小"))  # a loss does not line up
    confusions, generator = Confusions(pairs), np.random.default_rng(0)
    found = Counter(confusions.misread("禁止吸烟", generator) for _ in range(2000))
    assert set(found) == {"禁止吸烟", "禁止吸姻"}
    assert found["禁止吸姻"] / 2000 == pytest.approx(0.75, abs=0.04)  # three times of four
    assert confusions.misread("禁止吸烟", generator, factor=0.0) == "禁止吸烟"


def test_batches_hold_every_row_once_and_stay_within_the_budget():
    generator = np.random.default_rng(1)
    lengths = [(int(a), int(b)) for a, b in generator.integers(1, 60, (3000, 2))]
    groups = list(token_batches(lengths, 1000, np.random.default_rng(5)))
    assert sorted(np.concatenate(groups).tolist()) == list(range(3000))
    for group in groups:
        source, target = max(lengths[i][0] for i in group), max(lengths[i][1] for i in group)
        assert len(group) == 1 or (source + 2 * target) * len(group) <= 1000
    again = list(token_batches(lengths, 1000, np.random.default_rng(5)))
    assert all(np.array_equal(a, b) for a, b in zip(groups, again, strict=True))


def test_a_file_that_was_not_prepared_is_named_with_its_line(tmp_path):
    with pytest.raises(BadData, match="prepare_translator"):
        read_prepared(tmp_path / "train.tsv")
    (tmp_path / "train.tsv").write_text("a\tb\nc\n", encoding="utf-8")
    with pytest.raises(BadData, match="第 2 行"):
        read_prepared(tmp_path / "train.tsv")
