import numpy as np
import paddle
import pytest

from paddle_vlm.models.cnn import CNNS, CONFIGS, ArticleCNN, ArticleCNNConfig, CompactCNN, CompactCNNConfig, whitening


def test_the_articles_network_has_the_articles_parameters():
    model = ArticleCNN(ArticleCNNConfig())
    # As `model.summary()` prints them in the Keras tutorial.
    layers = [model.conv1, model.conv2, model.conv3, model.dense1, model.dense2]
    assert [sum(p.size for p in layer.parameters()) for layer in layers] == [896, 18496, 36928, 65600, 650]


@pytest.mark.parametrize("name", CNNS)
def test_every_network_gives_one_logit_a_class_and_learns(name):
    paddle.seed(0)
    model = CNNS[name](CONFIGS[name](classes=4))
    optimizer = paddle.optimizer.Adam(2e-3, parameters=[p for p in model.parameters() if not p.stop_gradient])
    images, labels = paddle.randn([16, 3, 32, 32]), paddle.arange(16) % 4
    losses = []
    for _ in range(15):
        logits = model(images)
        loss = paddle.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
    assert logits.shape == [16, 4]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("size", [18, 25, 32, 33, 34, 35, 40])
def test_the_pixels_that_are_left_out_have_no_influence(size):
    model = ArticleCNN(ArticleCNNConfig(size=size))
    images = paddle.randn([2, 3, size, size])
    images.stop_gradient = False
    fast = model(images)
    model.seen = size
    whole = model(images)
    np.testing.assert_allclose(fast, whole, atol=1e-6)
    whole.sum().backward()
    needed = np.abs(images.grad.numpy()).sum((0, 1)) > 0
    assert needed.any(0).sum() == needed.any(1).sum() == min(size, 4 * (model.dense1.weight.shape[0] // 64) ** 0.5 + 14)


def test_too_small_pictures_are_refused():
    with pytest.raises(ValueError, match="18"):
        ArticleCNNConfig(size=16)


def test_dropout_acts_while_training_only():
    model = ArticleCNN(ArticleCNNConfig(dropout=0.5))
    x = paddle.randn([2, 3, 32, 32])
    assert not np.allclose(model(x), model(x))
    model.eval()
    np.testing.assert_array_equal(model(x), model(x))


def test_whitening_filters_are_orthogonal_and_stay_as_they_are():
    flat = whitening().reshape(12, 12)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, np.eye(12), atol=1e-6)
    model = CompactCNN(CompactCNNConfig(widths=(8, 8, 8)))
    model(paddle.randn([2, 3, 32, 32])).sum().backward()
    assert model.whiten.weight.grad is None


def test_a_picture_and_its_mirror_image_are_one_to_a_trained_network_that_looks_at_both():
    paddle.seed(0)
    model = CompactCNN(CompactCNNConfig(mirror=True))
    plain = CompactCNN(CompactCNNConfig())
    plain.set_state_dict(model.state_dict())
    images = paddle.randn([2, 3, 32, 32])
    assert np.allclose(model(images).numpy(), plain(images).numpy(), atol=1e-5)  # while training it looks once
    model.eval()
    plain.eval()
    both = (plain(images) + plain(images.flip([3]))) / 2
    assert np.allclose(model(images).numpy(), both.numpy(), atol=1e-5)
    assert np.allclose(model(images.flip([3])).numpy(), both.numpy(), atol=1e-5)
