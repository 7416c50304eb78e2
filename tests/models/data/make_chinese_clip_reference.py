"""Makes the reference of tests/models/test_chinese_clip.py and test_torch_file.py beside this file.

    pip install "transformers>=4.40,<5" torch safetensors && python make_chinese_clip_reference.py

`chinese_clip/` is a tiny ChineseCLIPModel with random weights, stored as OFA-Sys stores the real ones (and once more as
the .bin that they offer besides, in both of PyTorch's formats), with its own outputs on random inputs in outputs.npz.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import ChineseCLIPConfig, ChineseCLIPModel

FOLDER = Path(__file__).parent / "chinese_clip"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"红苹果一只小狗在草地上跑", "app", "##le", "a", "##p", ",", "!"]


def main() -> None:
    torch.manual_seed(0)
    FOLDER.mkdir(exist_ok=True)
    text = {
        "vocab_size": len(PIECES), "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 48, "max_position_embeddings": 60,
    }  # fmt: skip
    vision = {
        "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    config = ChineseCLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    model = ChineseCLIPModel(config).eval()
    for parameter in model.parameters():  # the usual start is so small that errors would not show
        torch.nn.init.normal_(parameter, 0, 0.2)
    config.save_pretrained(FOLDER)
    (FOLDER / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, FOLDER / "model.safetensors")
    small = {name: value for name, value in state.items() if "text_model.embeddings" in name}
    small["transposed"] = torch.arange(6.0).reshape(2, 3).t()
    torch.save(small, FOLDER.parent / "torch_archive.bin")
    torch.save(small, FOLDER.parent / "torch_stream.bin", _use_new_zipfile_serialization=False)

    pixels = torch.randn(3, 3, 32, 32)
    pieces = torch.zeros(4, 52, dtype=torch.long)
    for row, length in zip(pieces, (3, 7, 12, 52), strict=True):
        row[:length] = torch.randint(1, len(PIECES), (length,))
    with torch.no_grad():
        outputs = model(input_ids=pieces, attention_mask=(pieces > 0).long(), pixel_values=pixels)
    np.savez_compressed(
        FOLDER / "outputs.npz", pixels=pixels.numpy(), pieces=pieces.numpy(), images=outputs.image_embeds.numpy(),
        texts=outputs.text_embeds.numpy(), logits=outputs.logits_per_text.numpy(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
