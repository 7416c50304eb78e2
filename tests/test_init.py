"""The package's public names."""

import pytest

import paddle_vlm


def test_public_names_load_on_first_use_and_an_unknown_one_is_an_attribute_error():
    for name in paddle_vlm.__all__:
        assert getattr(paddle_vlm, name).__name__ == name
        assert name in dir(paddle_vlm)
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = paddle_vlm.Nonsense
