"""Convolutional classifiers of small pictures: the article's (Keras's CIFAR-10 tutorial) and a compact modern one."""

from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.layers import BatchNorm2D, Conv2D, Linear, MaxPool2D, channels_last, flatten, relu


@dataclass
class ArticleCNNConfig:
    """Sizes of the article's network."""

    classes: int = 10
    size: int = 32  # height and width of the pictures
    channels: tuple[int, int, int] = (32, 64, 64)
    hidden: int = 64
    dropout: float = 0.0  # after the hidden layer; the article has none

    def __post_init__(self) -> None:
        if self.size < 18:
            raise ValueError(f"size 至少为 18(三次卷积、两次池化之后还要剩下像素),不能是 {self.size}。")


class ArticleCNN(nn.Layer):
    """Conv 32 - pool - Conv 64 - pool - Conv 64 - Dense 64 - Dense 10; 3 x 3 without padding, ReLU between.

    Starts from weights as Keras draws them (Glorot and Bengio 2010): with Paddle's larger ones it is overfitted by the
    tenth epoch.
    """

    def __init__(self, config: ArticleCNNConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.channels
        glorot = nn.initializer.XavierUniform()
        self.conv1 = Conv2D(3, first, 3, weight_attr=glorot)
        self.conv2 = Conv2D(first, second, 3, weight_attr=glorot)
        self.conv3 = Conv2D(second, third, 3, weight_attr=glorot)
        self.pool = MaxPool2D(2)
        side = ((config.size - 2) // 2 - 2) // 2 - 2
        self.seen = 4 * side + 14  # 30 of 32: what follows depends on no more, for poolings drop odd rows and columns
        self.dense1 = Linear(third * side * side, config.hidden)
        self.dense2 = Linear(config.hidden, config.classes)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, 3, size, size] -> logits [B, classes]."""
        if paddle.in_dynamic_mode():  # a program would take longer to cut than it saves
            images = images[:, :, : self.seen, : self.seen]
        x = self._pooled(self.conv1(channels_last(images)))
        x = self._pooled(self.conv2(x))
        x = flatten(relu(self.conv3(x)))
        x = F.relu(self.dense1(x))
        if self.config.dropout:
            x = F.dropout(x, self.config.dropout, training=self.training)
        return self.dense2(x)

    def _pooled(self, x: Tensor) -> Tensor:
        """The maximum of ReLUs, which is the ReLU of the maximum: a quarter of the work.

        In a program the ReLU comes first, for Paddle Inference makes it part of the convolution.
        """
        return relu(self.pool(x)) if paddle.in_dynamic_mode() else self.pool(F.relu(x))


@dataclass
class CompactCNNConfig:
    """Sizes of the compact network."""

    classes: int = 10
    widths: tuple[int, ...] = (48, 128, 192)  # of the blocks, each of which halves height and width
    logit_scale: float = 1 / 9  # keeps the first predictions cautious, which allows large steps
    mirror: bool = False  # once trained, answer with the mean of a picture and its mirror image: for twice the time


class CompactCNN(nn.Layer):
    """Fixed whitening of 2 x 2 patches, then three blocks of two convolutions (after airbench94, Jordan 2024)."""

    def __init__(self, config: CompactCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.whiten = Conv2D(3, 24, 2, bias_attr=False)
        self.whiten.weight.set_value(np.concatenate([whitening(), -whitening()]))  # both signs pass the ReLU
        self.whiten.weight.stop_gradient = True
        widths = [24, *config.widths]
        self.blocks = nn.Sequential(*[Block(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)])
        self.head = Linear(widths[-1], config.classes)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, 3, H, W] -> logits [B, classes]."""
        if self.training or not self.config.mirror:
            return self._logits(images)
        mirrored = self._logits(images.flip([3]))  # first, for Grad-CAM looks at the last maps
        return (mirrored + self._logits(images)) / 2

    def _logits(self, images: Tensor) -> Tensor:
        x = self.blocks(relu(self.whiten(channels_last(images))))
        return self.head(paddle.amax(x, [2, 3])) * self.config.logit_scale


class Block(nn.Layer):
    """Convolution, pooling, convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = Conv2D(inputs, outputs, 3, padding=1, bias_attr=False)
        self.conv2 = Conv2D(outputs, outputs, 3, padding=1, bias_attr=False)
        self.norm1 = BatchNorm2D(outputs, relu=True)
        self.norm2 = BatchNorm2D(outputs, relu=True)
        self.pool = MaxPool2D(2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H // 2, W // 2]."""
        x = self.norm1(self.pool(self.conv1(x)))  # pooled before it is normalised: a quarter of the work
        return self.norm2(self.conv2(x))


def whitening() -> np.ndarray:
    """Filters [12, 3, 2, 2] that make 2 x 2 patches of natural pictures (in -1..1) white: uncorrelated, variance 1.

    Sums and differences of neighbours times opponent colours: nearly the eigenvectors of every collection of pictures,
    so no pass over the data is needed.
    """
    sums = np.array([[1, 1], [1, -1]]) / 2**0.5
    patches = np.einsum("ay,bx->abyx", sums, sums).reshape(4, 1, 2, 2)  # mean, across, down, diagonal
    colours = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.array([[3**0.5], [2**0.5], [6**0.5]])
    filters = (patches[:, None] * colours[None, :, :, None, None]).reshape(12, 3, 2, 2)
    return (filters / _DEVIATIONS.reshape(12, 1, 1, 1)).astype(np.float32)


# Of CIFAR-10's training pictures (JPEG copy), with 0.02 added so that the compression's noise stays small.
_DEVIATIONS = np.hypot([1.59, 0.521, 0.170, 0.247, 0.0296, 0.0161, 0.324, 0.0421, 0.0207, 0.110, 0.0073, 0.0053], 0.02)

CNNS = {"article": ArticleCNN, "compact": CompactCNN}
CONFIGS = {"article": ArticleCNNConfig, "compact": CompactCNNConfig}
