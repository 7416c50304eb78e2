"""Recompute pointer_reference.npz with the PyTorch twin: `python make_pointer_reference.py TRAIN_PY WEIGHTS_DIR`.

Needs torch, sentencepiece, sacrebleu and safetensors; TRAIN_PY is the recipe that trained the bundled weights.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from safetensors.torch import load_file

SOURCES = [
    "华南农业大学 ⇢ South China | Agricultural University",
    "净含量220ml ⇢ net weight | 220 ml",
    "好鞋不贵 ⇢ good | shoes | not | expensive",
    "小心地滑 ⇢ Caution: wet floor",
    "张伟 ⇢ Zhang Wei",
]
TARGETS = ["South China Agricultural University", "Net content 220ml", "Good shoes", "Caution, wet floor", "Zhang Wei"]


def main() -> None:
    spec = importlib.util.spec_from_file_location("twin", sys.argv[1])
    twin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(twin)
    weights = Path(sys.argv[2])
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(weights / "joint.model"))
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    shape = {name: config[name] for name in ("vocab", "dim", "heads", "encoder", "decoder")}
    model = twin.PointerTranslator(**shape)
    model.load_state_dict({name: value.float() for name, value in load_file(weights / "model.safetensors").items()})
    model.eval()
    source = twin.pad([pieces.encode(line)[: twin.MAX_SOURCE] + [twin.EOS] for line in SOURCES], "cpu")
    target = twin.pad([[twin.PAD, *pieces.encode(line)] for line in TARGETS], "cpu")
    with torch.no_grad():
        logits, attention, gate = model(source, target)
    columns = torch.linspace(0, shape["vocab"] - 1, 97).long()
    np.savez_compressed(
        Path(__file__).with_name("pointer_reference.npz"),
        source=source.numpy(), target=target.numpy(), columns=columns.numpy(), logits=logits[..., columns].numpy(),
        attention=attention.numpy(), gate=gate.numpy(), greedy=twin.translate(model, pieces, SOURCES, "cpu"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
