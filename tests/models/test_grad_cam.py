import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_vlm.models.classifier import ImageClassifier, to_input
from paddle_vlm.models.cnn import CompactCNN, CompactCNNConfig
from paddle_vlm.models.grad_cam import grad_cam


def test_what_speaks_for_red_is_where_the_red_dot_is(dot_classifier, dots):
    model = ImageClassifier.load(dot_classifier)
    images, labels = dots(40, 999)
    near = []
    for image in images[labels == 0]:
        heat = grad_cam(model, paddle.to_tensor(to_input(image[None])), 0)
        assert heat.shape == (4, 4) and heat.min() >= 0 and heat.max() == pytest.approx(1, abs=1e-5)
        y, x = np.argwhere(image[..., 0] > 200).mean(0) / 8  # in cells of the map
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        near.append(np.hypot(row + 0.5 - y, column + 0.5 - x) < 1.6)
    assert np.mean(near) > 0.8


def test_the_heat_is_the_weighted_sum_of_the_maps_written_by_hand():
    paddle.seed(0)
    convolution, head = nn.Conv2D(3, 2, 3), nn.Linear(2 * 4 * 4, 3)
    network = nn.Sequential(convolution, nn.Flatten(), head)
    image = paddle.randn([1, 3, 6, 6])
    maps = convolution(image).numpy()[0]
    weights = head.weight.numpy()[:, 1].reshape(2, 4, 4).mean(axis=(1, 2))  # the gradient of a linear head
    by_hand = np.maximum(0, np.tensordot(weights, np.maximum(maps, 0), 1))
    assert np.allclose(grad_cam(network, image, 1), by_hand / max(by_hand.max(), 1e-12), atol=1e-5)


def test_the_order_of_channels_does_not_matter():
    paddle.seed(0)
    first, last = nn.Conv2D(3, 2, 3), nn.Conv2D(3, 2, 3, data_format="NHWC")
    last.weight.set_value(first.weight)
    last.bias.set_value(first.bias)
    image = paddle.randn([1, 3, 6, 6])
    head = nn.Linear(2, 2)
    plain = nn.Sequential(first, nn.AdaptiveAvgPool2D(1), nn.Flatten(), head)

    class ChannelsLast(nn.Layer):
        def __init__(self):
            super().__init__()
            self.convolution, self.head = last, head

        def forward(self, x):
            return self.head(self.convolution(x.transpose([0, 2, 3, 1])).mean(axis=[1, 2]))

    assert np.allclose(grad_cam(plain, image, 0), grad_cam(ChannelsLast(), image, 0), atol=1e-5)


def test_a_network_without_maps_is_refused():
    with pytest.raises(ValueError, match="map of places"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), paddle.randn([1, 3, 2, 2]), 0)


def test_the_heat_of_a_network_that_looks_at_the_mirror_image_too_is_not_mirrored():
    paddle.seed(0)
    both, plain = (CompactCNN(CompactCNNConfig(mirror=mirror, widths=(8, 8, 8))) for mirror in (True, False))
    plain.set_state_dict(both.state_dict())
    both.eval()
    plain.eval()
    image = paddle.randn([1, 3, 32, 32])
    label = int(plain(image)[0].argmax())
    heat = grad_cam(both, image, label)
    assert np.ptp(heat - heat[:, ::-1]) > 0.1
    assert np.allclose(heat, grad_cam(plain, image, label), atol=1e-5)
