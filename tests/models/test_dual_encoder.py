import numpy as np
import paddle
import pytest

from paddle_vlm.models.dual_encoder import BODIES, DualEncoder, DualEncoderConfig, TextEncoder, TransformerLayer


def small(text: str) -> DualEncoderConfig:
    sizes = {"characters": 30, "words": 20, "word_width": 8, "width": 16, "heads": 2, "hidden": 16, "dim": 12}
    return DualEncoderConfig(image="lite0", size=64, text=text, **sizes)


@pytest.mark.parametrize("text", list(BODIES))
def test_padding_does_not_change_a_text(text):
    paddle.seed(0)
    encoder = TextEncoder(small(text))
    encoder.eval()
    characters, words = np.array([[4, 7, 9, 11]]), np.array([[3, 3, 5, 6]])
    padded = [np.pad(part, ((0, 0), (0, 5))) for part in (characters, words)]
    with paddle.no_grad():
        plain = encoder(paddle.to_tensor(characters), paddle.to_tensor(words)).numpy()
        longer = encoder(*map(paddle.to_tensor, padded)).numpy()
    np.testing.assert_allclose(plain, longer, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("text", "reads_order"), [("gru", True), ("transformer", True), ("bag", False)])
def test_only_the_bag_ignores_the_order_of_words(text, reads_order):
    paddle.seed(0)
    encoder = TextEncoder(small(text))
    encoder.eval()
    one, other = (paddle.to_tensor(np.array([row])) for row in ([4, 7, 9], [9, 7, 4]))
    with paddle.no_grad():
        apart = float(paddle.abs(encoder(one, one) - encoder(other, other)).max())
    assert (apart > 1e-4) == reads_order


def test_the_layer_with_one_product_is_paddles_own_layer():
    paddle.seed(0)
    config = small("transformer")
    layer, theirs = TransformerLayer(config), paddle.nn.TransformerEncoderLayer(
        config.width, config.heads, 4 * config.width, activation="gelu", normalize_before=True
    )  # fmt: skip
    names = {"norm1": "norm1", "norm2": "norm2", "out": "self_attn.out_proj", "up": "linear1", "down": "linear2"}
    for kind in ("weight", "bias"):
        own, known = layer.state_dict(), theirs.state_dict()
        own[f"qkv.{kind}"].set_value(paddle.concat([known[f"self_attn.{part}_proj.{kind}"] for part in "qkv"], -1))
        for ours, name in names.items():
            own[f"{ours}.{kind}"].set_value(known[f"{name}.{kind}"])
    layer.eval()
    theirs.eval()
    x, mask = paddle.randn([2, 5, config.width]), paddle.to_tensor([[0.0] * 5, [0.0, 0.0, 0.0, -1e4, -1e4]])
    mask = mask.unsqueeze([1, 2])
    np.testing.assert_allclose(layer(x, mask).numpy(), theirs(x, mask).numpy(), atol=1e-5)


def test_pictures_and_texts_meet_in_one_space_with_a_learnt_temperature():
    paddle.seed(0)
    model = DualEncoder(small("gru"))
    numbers = paddle.to_tensor(np.array([[4, 7], [9, 0], [5, 6]]))
    images, texts = model(paddle.rand([2, 3, 64, 64]) * 2 - 1, numbers, numbers)
    logits = model.similarity(images, texts)
    assert logits.shape == [3, 2]
    cosines = (texts @ images.t()).numpy()
    np.testing.assert_allclose(logits.numpy(), cosines / 0.07, rtol=1e-4)
    logits.sum().backward()
    assert float(paddle.abs(model.scale.grad).sum()) > 0
