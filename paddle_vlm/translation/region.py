"""What is translated and typeset as one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from paddle_vlm.translation.ocr import TextLine

Kind = Literal["paragraph", "cell", "line"]


@dataclass
class Region:
    """Lines that are translated and typeset as one.

    `polygon` is float32 [4, 2] in pixels, clockwise from the corner at the glyph tops where reading starts;
    `orientation` is "horizontal" or "vertical" (characters stacked upright); `translatable` is False for what holds no
    Chinese and is left untouched in the picture.
    """

    lines: list["TextLine"]
    polygon: np.ndarray
    text: str
    orientation: str
    translatable: bool
    kind: Kind
