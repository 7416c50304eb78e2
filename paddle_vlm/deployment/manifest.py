"""`manifest.json` of an exported folder: what the programs take and give, and whether the files are as they were."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from paddle_vlm.config import build_config
from paddle_vlm.errors import BadConfig, MissingWeights
from paddle_vlm.files import write_json
from paddle_vlm.inference.stored import Precision
from paddle_vlm.package_index import sha256_of

FILE = "manifest.json"
FORMAT = 1  # raised when an older reader would misread the manifest


@dataclass(frozen=True)
class Port:
    """An input or an output; None in `shape` may vary."""

    name: str
    dtype: str  # as numpy names it
    shape: list[int | None]


@dataclass(frozen=True)
class ProgramEntry:
    """One program, which lies in the subfolder of its name.

    Attributes:
        onednn: whether it is to run with oneDNN on a CPU.
        parity: largest difference between the fp32 program's and the network's outputs, on an example.
        error: the same between the stored program's and the network's; `parity` for fp32.
    """

    inputs: list[Port]
    outputs: list[Port]
    onednn: bool
    parity: float
    error: float


@dataclass(frozen=True)
class Manifest:
    """What there is to know of an exported model.

    Attributes:
        preprocessing: how a picture or a text becomes the inputs, in words and numbers.
        vocabulary: SHA-256 of the vocabulary files, one after the other; None for models without one.
        package: version of paddle_vlm; `paddle`: that of Paddle.
        files: path inside the folder -> SHA-256.
        cost: what the precision costs, as `build.export_model` has measured it.
    """

    task: str
    precision: Precision
    programs: dict[str, ProgramEntry]
    preprocessing: dict[str, Any]
    vocabulary: str | None
    package: str
    paddle: str
    files: dict[str, str]
    cost: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        """Write `folder`/manifest.json. Raises OutputError."""
        write_json(folder / FILE, dataclasses.asdict(self))

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """The counterpart of `save`. Raises MissingWeights."""
        path = folder / FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(values, dict) or values.get("format") != FORMAT:
                raise ValueError(f"格式版本应为 {FORMAT}")
            return build_config(cls, values, FILE)
        except FileNotFoundError as error:
            raise MissingWeights(
                f"{folder} 不是导出的模型:缺少 {FILE}。请用 deploy/export.py 导出,或检查路径。"
            ) from error
        except (OSError, ValueError, BadConfig) as error:
            raise MissingWeights(
                f"无法读取 {path}({error})。它可能已损坏,或来自别的程序。请用 deploy/export.py 重新导出。"
            ) from error

    def verify(self, folder: Path) -> None:
        """Compare every file with its checksum. Raises MissingWeights."""
        for name, checksum in self.files.items():
            inside = PurePosixPath(name)
            if inside.is_absolute() or ".." in inside.parts:
                raise MissingWeights(f"{folder / FILE} 指向文件夹之外的 {name}。请只使用可信来源的模型。")
            path = folder / inside
            if not path.is_file():
                raise MissingWeights(f"导出的模型 {folder} 中缺少 {name}。请重新复制整个文件夹,或重新导出。")
            if sha256_of(path) != checksum:
                raise MissingWeights(
                    f"{path} 与清单不符:它在导出之后被改动,或已损坏。请重新复制整个文件夹,或重新导出。"
                )
        needed = {f"{name}/{file}" for name in self.programs for file in ("inference.json", "inference.pdiparams")}
        if missing := sorted(needed - self.files.keys()):
            raise MissingWeights(f"{folder / FILE} 没有列出 {missing[0]}。请用 deploy/export.py 重新导出。")
