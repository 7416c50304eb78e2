"""A Paddle layer as a program that Paddle Inference runs."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import paddle
from paddle import nn
from paddle.static import InputSpec

import paddle_vlm
from paddle_vlm.errors import OutputError

PROGRAM, WEIGHTS = "inference.json", "inference.pdiparams"  # the names PaddleX and PaddleOCR use too

# Our layers are recorded as they run. Rewriting the source of each function first, Paddle's default, takes twice as
# long and serves only those whose control flow depends on a tensor's values.
paddle.jit.ignore_module([paddle_vlm])


def export(layer: nn.Layer, specs: Sequence[InputSpec], folder: Path) -> Path:
    """Write `layer.forward` as `folder`/inference.json and inference.pdiparams; a None in a spec's shape may vary.

    The folder gets both files or neither. The layer ends in evaluation mode. Raises OutputError.
    """
    layer.eval()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            paddle.jit.save(layer, f"{temporary}/inference", input_spec=list(specs))
            for name in (WEIGHTS, PROGRAM):  # a folder with a program is complete
                (Path(temporary) / name).replace(folder / name)
    except OSError as error:
        if error.errno is None:  # not a matter of files: Paddle could not trace the layer
            raise
        raise OutputError(f"无法写入 {folder}:{error.strerror}。请检查写权限和剩余空间。") from error
    return folder
