"""An exported program rebuilt around TensorRT engines, for NVIDIA cards: optional, and only where there is one.

Paddle 3 makes the engines ahead of time (`paddle.tensorrt.convert`); `predictor.Predictor` then runs the new folder as
any other. The engines fit the card and the TensorRT version that they were made with.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paddle_vlm.errors import MissingDependency, MissingWeights, UsageError
from paddle_vlm.inference.export import PROGRAM, WEIGHTS

Shapes = tuple[Sequence[int], Sequence[int], Sequence[int]]  # the smallest, the usual and the largest


def to_tensorrt(
    folder: Path, target: Path, shapes: Mapping[str, Shapes], dtypes: Mapping[str, str], half: bool = False
) -> Path:
    """Write the program of `folder` with TensorRT engines to `target`.

    Args:
        shapes: of every input; no array may be larger or smaller afterwards.
        dtypes: of every input, as numpy names them.
        half: compute in fp16.

    Raises MissingWeights, MissingDependency, and UsageError for shapes that do not rise.
    """
    if not (folder / PROGRAM).is_file():
        raise MissingWeights(f"推理模型文件夹 {folder} 中缺少 {PROGRAM}。请重新导出,或检查路径。")
    examples = {name: warm_up(name, of, dtypes[name]) for name, of in shapes.items()}
    try:
        from paddle.tensorrt.export import Input, PrecisionMode, TensorRTConfig, convert
    except ImportError as error:
        raise MissingDependency(
            "TensorRT 需要 GPU 版飞桨和 NVIDIA TensorRT。请运行:pip install paddlepaddle-gpu tensorrt;"
            "没有显卡时请去掉 tensorrt 设置。"
        ) from error
    config = TensorRTConfig(inputs=[Input(warmup_data=arrays) for arrays in examples.values()])
    config.precision_mode = PrecisionMode.FP16 if half else PrecisionMode.FP32
    config.save_model_dir = str(target / Path(PROGRAM).stem)
    target.mkdir(parents=True, exist_ok=True)
    convert(str(folder / Path(PROGRAM).stem), config)
    for name in (PROGRAM, WEIGHTS):
        if not (target / name).is_file():
            raise MissingWeights(f"TensorRT 转换没有产生 {target / name}。请查看上面 TensorRT 的信息。")
    return target


def warm_up(name: str, shapes: Shapes, dtype: str) -> tuple[np.ndarray, ...]:
    """Arrays of the three shapes. Raises UsageError."""
    alike = len(shapes) == 3 and len({len(shape) for shape in shapes}) == 1
    if not alike or np.diff(shapes, axis=0).min() < 0 or np.min(shapes) < 1:
        raise UsageError(f"输入 {name} 的 TensorRT 形状应是由小到大的三个,如 [[1, 64], [8, 64], [32, 64]]。")
    return tuple(np.ones(tuple(shape), dtype) for shape in shapes)
