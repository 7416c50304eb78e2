"""Rebuild paddle_vlm/assets/tagger/lac.onnx: `python tools/prepare_tagger.py` (needs `pip install onnx`).

The file holds LAC's graph alone; `models/lac_decoder.py` gives it the weights, those of jieba or of a tuned tagger.
ONNX's GRU with linear_before_reset=0 is LAC's (the reset gate before the product), and ONNX Runtime's kernel runs it
faster than a loop in numpy or Paddle.
"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

TARGET = Path(__file__).resolve().parent.parent / "paddle_vlm" / "assets" / "tagger" / "lac.onnx"
VOCABULARY, DIM, TAGS, LAYERS = 20941, 128, 57, 2


def weight(name: str, *shape: int) -> TensorProto:
    """A tensor whose values come when the graph is loaded."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="given-by-the-program")
    return tensor


def graph() -> onnx.GraphProto:
    """characters int64 [T, B], lengths int32 [B] -> scores [T, B, tags]."""
    weights = [weight("embedding", VOCABULARY, DIM), weight("emission", 2 * DIM, TAGS), weight("emission_bias", TAGS)]
    nodes = [helper.make_node("Gather", ["embedding", "characters"], ["x0"])]
    for layer in range(LAYERS):
        width = DIM if layer == 0 else 2 * DIM
        weights += [weight(f"w{layer}", 2, 3 * DIM, width), weight(f"r{layer}", 2, 3 * DIM, DIM)]
        weights.append(weight(f"b{layer}", 2, 6 * DIM))
        inputs = [f"x{layer}", f"w{layer}", f"r{layer}", f"b{layer}", "lengths"]
        options = {"hidden_size": DIM, "direction": "bidirectional", "linear_before_reset": 0}
        nodes += [
            helper.make_node("GRU", inputs, [f"y{layer}"], **options),  # [T, 2, B, DIM]
            helper.make_node("Transpose", [f"y{layer}"], [f"t{layer}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"t{layer}", "joined"], [f"x{layer + 1}"]),  # [T, B, 2 DIM]
        ]
    nodes += [
        helper.make_node("MatMul", [f"x{LAYERS}", "emission"], ["logits"]),
        helper.make_node("Add", ["logits", "emission_bias"], ["scores"]),
    ]
    inputs = [
        helper.make_tensor_value_info("characters", TensorProto.INT64, ["steps", "sentences"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["sentences"]),
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["steps", "sentences", TAGS])]
    joined = helper.make_tensor("joined", TensorProto.INT64, [3], [0, 0, 2 * DIM])
    return helper.make_graph(nodes, "lac", inputs, outputs, [joined, *weights])


def main() -> None:
    model = helper.make_model(graph(), opset_imports=[helper.make_opsetid("", 14)], producer_name="paddle_vlm")
    model.ir_version = 8  # ONNX Runtime 1.17 reads up to 9
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(model.SerializeToString())
    print(f"{TARGET}:{TARGET.stat().st_size} 字节")


if __name__ == "__main__":
    main()
