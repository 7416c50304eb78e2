"""Settings that cannot be meant are refused with their name."""

import pytest

from paddle_vlm.config import load_config
from paddle_vlm.errors import BadConfig
from paddle_vlm.training.config import TrainConfig


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs=0", "epochs 至少为 1"),
        ("accumulate=0", "accumulate 至少为 1"),
        ("label_smoothing=1", "label_smoothing 应在 0 到 1 之间"),
        ("ema=1.5", "ema 应在 0 到 1 之间"),
        ("weight_decay=-1", "weight_decay 不能是负数"),
        ("lr=0", "lr 应大于 0"),
        ("clip_norm=0", "clip_norm 应大于 0"),
        ("early_stopping=0", "early_stopping 应大于 0"),
        ("device=tpu", "device 不能是 tpu"),
        ("optimizer=adma", "optimizer 不能是 'adma'。可用:adam、adamw、sgd"),
        ("epoch=3", "不认识的设置 epoch。是否想写 epochs?"),
    ],
)
def test_a_setting_that_cannot_be_is_named(override, message):
    with pytest.raises(BadConfig) as error:
        load_config(TrainConfig, overrides=[override])
    assert message in str(error.value)


def test_numbers_may_be_written_as_people_write_them():
    config = load_config(TrainConfig, overrides=["lr=1e-4", "clip_norm=1", "early_stopping=null"])
    assert (config.lr, config.clip_norm, config.early_stopping) == (1e-4, 1.0, None)
