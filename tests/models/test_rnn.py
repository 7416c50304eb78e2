import numpy as np
import paddle
import pytest

from paddle_vlm.models.rnn import RnnConfig, RnnEncoder


def logistic(x):
    return 1 / (1 + np.exp(-x))


def rnn_step(x, h, c, w, u, b, d):
    return np.tanh(w @ x + b + u @ h + d), c


def lstm_step(x, h, c, w, u, b, d):
    i, f, g, o = np.split(w @ x + b + u @ h + d, 4)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def gru_step(x, h, c, w, u, b, d):
    (xr, xz, xn), (hr, hz, hn) = np.split(w @ x + b, 3), np.split(u @ h + d, 3)
    r, z = logistic(xr + hr), logistic(xz + hz)
    return z * h + (1 - z) * np.tanh(xn + r * hn), c


STEPS = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}


def by_hand(kind, x, weights):
    h = c = np.zeros(weights[1].shape[1], np.float32)
    states = []
    for row in x:
        h, c = STEPS[kind](row, h, c, *weights)
        states.append(h)
    return np.array(states)


@pytest.mark.parametrize("kind", STEPS)
def test_both_directions_agree_with_steps_written_by_hand(kind):
    paddle.seed(0)
    model = RnnEncoder(RnnConfig(kind=kind, inputs=5, hidden=4))
    model.eval()
    x = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
    lengths = [6, 3]
    found = model(paddle.to_tensor(x), paddle.to_tensor(lengths)).numpy()
    weights = [p.numpy() for p in model.parameters()]  # of each direction: w, u, b, d
    assert found.shape == (2, 6, model.width)
    for row, states, length in zip(x, found, lengths, strict=True):
        assert np.allclose(states[:length, :4], by_hand(kind, row[:length], weights[:4]), atol=1e-5)
        assert np.allclose(states[:length, 4:][::-1], by_hand(kind, row[:length][::-1], weights[4:]), atol=1e-5)
        assert not states[length:].any()


@pytest.mark.parametrize("kind", STEPS)
def test_it_learns_to_carry_the_first_step_to_the_last(kind):
    paddle.seed(1)
    rng = np.random.default_rng(1)
    model = RnnEncoder(RnnConfig(kind=kind, inputs=2, hidden=8, bidirectional=False))
    head = paddle.nn.Linear(8, 2)
    optimizer = paddle.optimizer.Adam(0.02, parameters=[*model.parameters(), *head.parameters()])
    losses = []
    for _ in range(80):
        marks = rng.integers(0, 2, 32)
        x = rng.normal(0, 0.1, (32, 6, 2)).astype(np.float32)
        x[np.arange(32), 0, marks] += 1
        last = model(paddle.to_tensor(x), paddle.full([32], 6, "int64"))[:, -1]
        loss = paddle.nn.functional.cross_entropy(head(last), paddle.to_tensor(marks))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
    assert np.mean(losses[-10:]) < 0.2 * losses[0]
