"""The state of a run comes back whole, whatever Paddle calls its parameters in the next process."""

import numpy as np
import paddle
from paddle import nn

from paddle_vlm.training import checkpoint


def step(model: nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
    paddle.seed(1)
    (model(paddle.randn([4, 3])) ** 2).sum().backward()
    optimizer.step()
    optimizer.clear_grad()


def made() -> tuple[nn.Layer, paddle.optimizer.Optimizer]:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    return model, paddle.optimizer.AdamW(parameters=model.parameters(), weight_decay=0.1)


def test_the_next_step_is_the_same_as_without_the_pause(tmp_path):
    model, optimizer = made()
    step(model, optimizer)
    checkpoint.save(tmp_path / "s", model, optimizer, model, {"步": [1, 2]})
    step(model, optimizer)

    nn.Linear(1, 1)  # moves Paddle's counter, so that the parameters below have other names
    resumed, fresh_optimizer = made()
    average = made()[0]
    parts, state = checkpoint.load_state(tmp_path / "s")
    checkpoint.restore(parts, resumed, fresh_optimizer, average)
    assert state == {"步": [1, 2]}
    assert np.array_equal(average[0].weight.numpy(), resumed[0].weight.numpy())
    step(resumed, fresh_optimizer)
    for name, value in model.state_dict().items():
        assert np.array_equal(value.numpy(), resumed.state_dict()[name].numpy())


def test_nothing_is_pickled(tmp_path):
    model, optimizer = made()
    checkpoint.save(tmp_path / "s", model, optimizer, None, {})
    content = (tmp_path / "s").read_bytes()
    header = int.from_bytes(content[:8], "little")
    assert content[8 : 8 + header].strip().startswith(b"{")
    assert checkpoint.load_state(tmp_path / "s")[0]["average"] == {}
