import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.pieces import Pieces, train_pieces

LINES = ["红苹果 red apple", "青苹果 green apple", "红色的花 red flower", "绿色的树 green tree"] * 20


def test_trained_pieces_give_a_line_back_and_keep_the_places_of_the_special_ones(tmp_path):
    train_pieces(LINES, tmp_path / "joint.model", 60)
    pieces = Pieces(tmp_path / "joint.model")
    assert 20 < len(pieces) <= 60
    assert pieces.decode(pieces.encode("红苹果 green flower")) == "红苹果 green flower"
    assert pieces.decode(pieces.names("红苹果")) == "红苹果"
    assert min(pieces.encode("红苹果 red apple")) > 2  # 0, 1, 2 are </s>, <unk>, <pad>
    assert pieces.encode("龘")[-1] == 1


def test_a_missing_and_a_damaged_model_are_named(tmp_path):
    with pytest.raises(MissingWeights, match="joint.model"):
        Pieces(tmp_path / "joint.model")
    (tmp_path / "joint.model").write_bytes(b"x")
    with pytest.raises(MissingWeights, match="SentencePiece"):
        Pieces(tmp_path / "joint.model")
