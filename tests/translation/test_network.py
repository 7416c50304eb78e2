import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.translation.network import MAX_TARGET, Network
from paddle_vlm.weights import fetch


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(fetch("translator"))


LINES = ["张伟 ⇢ Zhangwei", "好鞋不贵 ⇢ good shoes | not | expensive", "华南 ⇢ south china", "我 ⇢ i"]


def test_a_line_gives_the_same_alone_and_in_a_batch(network):
    together = network.write(LINES, beam=4)
    for line, draft in zip(LINES, together, strict=True):
        alone = network.write([line], beam=4)[0]
        assert alone.text == draft.text and alone.confidence == pytest.approx(draft.confidence, abs=1e-3)


def test_confidence_is_a_log_probability(network):
    assert all(draft.confidence <= 1e-6 for draft in network.write(LINES))


def test_no_lines_give_no_drafts_and_empty_or_endless_ones_an_answer(network):
    assert network.write([]) == []
    drafts = network.write(["", "长" * 5000], beam=2, no_repeat=3)
    assert len(drafts) == 2 and all(draft.pieces <= MAX_TARGET for draft in drafts)


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(MissingWeights, match="joint.model"):
        Network(tmp_path)
