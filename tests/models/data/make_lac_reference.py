"""Recompute lac_reference.npz with the operators that LAC-small was made of: `python make_lac_reference.py`.

With `--compare F.bio --sentences N` it tags the first N sentences of a BIO file instead, and prints the share of the
characters to which our tagger gives the same tag.

Paddle 3 still holds Paddle 1.x's `lookup_table`, `gru` and `crf_decoding` for old programs; the network is put together
as jieba/lac_small/nets.py does it, on sequences without padding (LoD).
"""

import os

os.environ["FLAGS_enable_pir_api"] = "0"  # noqa: SIM112 - the old operators need the old representation

import argparse
import sys
from pathlib import Path

import numpy as np
import paddle
from paddle.base import core

from paddle_vlm.data.tagged import read_bio
from paddle_vlm.models.lac_decoder import read_tensor
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.weights import fetch

SENTENCES = [
    "百度是一家高科技公司",
    "张三在北京市工作,2019年3月去了清华大学。",
    "植物医生官方唯一授权",
    "华南农业大学土地整治与土壤修复研究中心",
    "今天天气真好",
    "李明和王小红昨天从上海坐火车到广州南站,晚上住在白云宾馆。",
    "人",
    "净含量:220ml",
    "中华人民共和国外交部发言人在记者会上表示,双方将继续加强合作",
    "宫保鸡丁28元",
]


def build(weights: dict[str, np.ndarray]) -> tuple[paddle.static.Program, list]:
    program = paddle.static.Program()
    with paddle.static.program_guard(program, paddle.static.Program()):
        block = program.global_block()
        for name, value in weights.items():
            block.create_parameter(name=name, shape=list(value.shape), dtype="float32")

        def run(kind: str, inputs: dict, output: str, attrs: dict | None = None, extra: tuple = (), dtype="float32"):
            made = [
                block.create_var(name=paddle.utils.unique_name.generate("v"), dtype=dtype, shape=[-1, 1], lod_level=1)
                for _ in range(1 + len(extra))
            ]
            outputs = {name: [var] for name, var in zip([output, *extra], made, strict=True)}
            block.append_op(type=kind, inputs=inputs, outputs=outputs, attrs=attrs or {})
            return made[0]

        def dense(x, name: str):
            z = run("mul", {"X": [x], "Y": [f"{name}.w_0"]}, "Out", {"x_num_col_dims": 1, "y_num_col_dims": 1})
            return run("elementwise_add", {"X": [z], "Y": [f"{name}.b_0"]}, "Out", {"axis": 1})

        words = block.create_var(name="words", shape=[-1, 1], dtype="int64", lod_level=1, is_data=True)
        x = run("lookup_table", {"W": ["word_emb"], "Ids": [words]}, "Out", {"padding_idx": -1})
        for layer in range(2):
            sides = []
            for n in (2 * layer, 2 * layer + 1):
                inputs = {"Input": [dense(x, f"fc_{n}")], "Weight": [f"gru_{n}.w_0"], "Bias": [f"gru_{n}.b_0"]}
                attrs = {"is_reverse": n % 2 == 1, "gate_activation": "sigmoid", "activation": "tanh"}
                attrs |= {"origin_mode": False, "is_test": True}
                extra = ("BatchGate", "BatchResetHiddenPrev", "BatchHidden")
                sides.append(run("gru", inputs, "Hidden", attrs, extra))
            x = run("concat", {"X": sides}, "Out", {"axis": 1})
        scores = dense(x, "fc_4")
        inputs = {"Emission": [scores], "Transition": ["crfw"]}
        path = run("crf_decoding", inputs, "ViterbiPath", dtype="int64")
    return program, [path, scores]


def original(sentences: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Tags int64 [N] and scores [N, tags] of the characters of all sentences, one sentence after the other."""
    weights = {path.name: read_tensor(path) for path in (fetch("lac_small") / "model_baseline").iterdir()}
    program, fetched = build(weights)
    for name, value in weights.items():
        paddle.static.global_scope().var(name).get_tensor().set(value, paddle.CPUPlace())
    feed = core.DenseTensor()
    feed.set(np.concatenate(sentences)[:, None], paddle.CPUPlace())
    feed.set_recursive_sequence_lengths([[len(sentence) for sentence in sentences]])
    executor = paddle.static.Executor(paddle.CPUPlace())
    tags, scores = executor.run(program, feed={"words": feed}, fetch_list=fetched, return_numpy=False)
    return np.array(tags)[:, 0], np.array(scores)


def compare(path: Path, count: int) -> None:
    analyzer = LexicalAnalyzer()
    texts = [sentence.text for sentence in read_bio(path)[:count]]
    theirs, _ = original([analyzer.identify(text) for text in texts])
    ours = [analyzer.tags.index(tag) for tags in analyzer.tag(texts) for tag in tags]
    sys.stdout.write(f"{len(texts)} 句 {len(ours)} 字,标签相同的字 {np.mean(theirs == ours):.4%}\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--compare", type=Path)
    parser.add_argument("--sentences", type=int, default=2000)
    options = parser.parse_args()
    paddle.enable_static()
    if options.compare:
        compare(options.compare, options.sentences)
        return
    analyzer = LexicalAnalyzer()
    sentences = [analyzer.identify(sentence) for sentence in SENTENCES]
    tags, scores = original(sentences)
    np.savez_compressed(
        Path(__file__).with_name("lac_reference.npz"),
        characters=np.concatenate(sentences), lengths=[len(s) for s in sentences], tags=tags, scores=scores,
    )  # fmt: skip


if __name__ == "__main__":
    main()
