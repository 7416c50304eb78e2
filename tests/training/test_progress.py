"""Which settings may change between the parts of a run."""

from paddle_vlm.training.progress import differences


def test_what_shapes_the_result_may_not_change_and_is_named():
    old = {"data": {"size": 32}, "train": {"lr": 0.1, "betas": [0.9, 0.99]}}
    new = {"data": {"size": 64}, "train": {"lr": 0.1, "betas": [0.9, 0.99]}, "model": {"name": "x"}}
    assert differences(old, new) == ["data.size 原为 32,现为 64", "model 原为 None,现为 {'name': 'x'}"]


def test_lengths_limits_and_devices_may_change():
    old = {"train": {"epochs": 3, "device": "cpu", "time_limit_minutes": None}}
    assert differences(old, {"train": {"epochs": 9, "device": "gpu", "time_limit_minutes": 5.0}}) == []
