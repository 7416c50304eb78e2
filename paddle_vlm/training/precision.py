"""Mixed precision."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
from paddle import Tensor


class Precision:
    """Mixed precision where the device has it: bfloat16, else float16 with scaled losses; plain float32 on a CPU."""

    def __init__(self, wanted: bool) -> None:
        self.on = wanted and paddle.get_device().startswith("gpu")
        bfloat16 = self.on and paddle.amp.is_bfloat16_supported()
        self.dtype = "bfloat16" if bfloat16 else "float16"
        self.scaler = paddle.amp.GradScaler() if self.on and not bfloat16 else None

    def context(self) -> Any:
        """Around the forward pass."""
        return paddle.amp.auto_cast(self.on, dtype=self.dtype)

    def backward(self, loss: Tensor) -> None:
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def unscale(self, optimizer: paddle.optimizer.Optimizer) -> None:
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: paddle.optimizer.Optimizer) -> None:
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()

    def state(self) -> dict[str, Any]:
        if self.scaler is None:
            return {}
        return {k: np.asarray(v).tolist() for k, v in self.scaler.state_dict().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        if self.scaler is not None and state:
            self.scaler.load_state_dict({k: np.asarray(v) if isinstance(v, list) else v for k, v in state.items()})
