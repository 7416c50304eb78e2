import numpy as np
import paddle

from paddle_vlm.models.transformer import TransformerConfig, TransformerEncoder, sinusoids

CONFIG = TransformerConfig(dim=8, heads=2, layers=2, dropout=0.0, longest=16)


def model_of(seed=0):
    paddle.seed(seed)
    model = TransformerEncoder(CONFIG)
    for parameter in model.parameters():  # norms and biases too must count
        parameter.set_value(parameter + 0.1 * paddle.randn(parameter.shape))
    model.eval()
    return model


def norm(x, layer):
    normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return normal * layer.weight.numpy() + layer.bias.numpy()


def linear(x, layer):
    return x @ layer.weight.numpy() + layer.bias.numpy()


def attention(x, layer):
    q, k, v = (linear(x, each) for each in (layer.q, layer.k, layer.v))
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        scores = q[:, part] @ k[:, part].T / 2  # the square root of the head's width
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        heads.append(weights / weights.sum(-1, keepdims=True) @ v[:, part])
    return linear(np.concatenate(heads, -1), layer.o)


def by_hand(x, model):
    x = x + sinusoids(len(x), 8)
    for block in model.layers:
        x = x + attention(norm(x, block.norm1), block.own)
        x = x + linear(np.maximum(linear(norm(x, block.norm3), block.up), 0), block.down)
    return norm(x, model.norm)


def test_it_agrees_with_the_formulas_written_by_hand_whatever_the_padding_holds():
    model = model_of()
    x = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)
    found = model(paddle.to_tensor(x), paddle.to_tensor([6, 4])).numpy()
    assert found.shape == (2, 6, model.width)
    assert np.allclose(found[0], by_hand(x[0], model), atol=1e-4)
    assert np.allclose(found[1, :4], by_hand(x[1, :4], model), atol=1e-4)


def test_the_order_of_the_steps_matters():
    model = model_of()
    x = np.random.default_rng(0).normal(size=(1, 5, 8)).astype(np.float32)
    lengths = paddle.to_tensor([5])
    there, back = (model(paddle.to_tensor(each), lengths).numpy()[0] for each in (x, x[:, ::-1].copy()))
    assert not np.allclose(there, back[::-1], atol=1e-2)


def test_every_weight_gets_a_gradient():
    model = TransformerEncoder(CONFIG)
    out = model(paddle.randn([2, 5, 8]), paddle.to_tensor([5, 2]))
    (out * paddle.randn(out.shape)).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not float(p.grad.abs().max())]
    assert not [name for name in without if not name.endswith("own.k.bias")]  # softmax ignores a shift of all scores
