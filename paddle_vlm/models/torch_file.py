"""PyTorch checkpoints (.pth, .bin) -> numpy arrays, without PyTorch and without running what a pickle asks for.

Both formats: the archive of PyTorch 1.6 and later, and the stream of pickles before it (torch/serialization.py).
"""

import collections
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.weights_file import read_tensors

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
}


class _Storage:
    """A block of numbers; in the old format it is filled after the tensors that point into it were made."""

    def __init__(self, dtype: np.dtype, count: int) -> None:
        self.data = np.zeros(count, dtype)


class _Tensor:
    """A view of a storage, resolved when all are filled."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def array(self) -> np.ndarray:
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        if min((self.offset, *self.shape, *self.stride)) < 0 or last >= max(1, self.storage.data.size):
            raise pickle.UnpicklingError("a tensor reaches outside its storage")
        strides = [step * self.storage.data.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(self.storage.data[self.offset :], self.shape, strides)
        return np.ascontiguousarray(view).reshape(self.shape)


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(stride))


class _Reader(pickle.Unpickler):
    """Knows the four names that a state dict consists of and refuses every other."""

    def __init__(self, file: BinaryIO, find: Callable[[np.dtype, str, int], _Storage]) -> None:
        super().__init__(file, encoding="utf-8")
        self._find = find

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a state dict")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"unknown reference {kind}")
        return self._find(dtype, str(key), int(count))


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name.

    Raises MissingWeights for a file that is absent, damaged, or holds anything but tensors.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\3\4"
            file.seek(0)
            found = _from_archive(file, size) if zipped else _from_stream(file, size)
        return {str(name): value.array() for name, value in found.items() if isinstance(value, _Tensor)}
    except OSError as error:
        raise MissingWeights(f"无法读取权重 {path}:{error.strerror or error}。请检查路径和权限。") from error
    except Exception as error:  # a damaged pickle raises anything
        raise MissingWeights(
            f"{path} 不是只含张量的 PyTorch 权重文件,或已损坏({error})。请重新下载,或改用 model.safetensors。"
        ) from error


def _from_archive(file: BinaryIO, size: int) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        stored: dict[str, _Storage] = {}

        def find(dtype: np.dtype, key: str, count: int) -> _Storage:
            if key not in stored:
                stored[key] = _Storage(dtype, 0)
                stored[key].data = np.frombuffer(archive.read(names[f"data/{key}"]), dtype, count)
            return stored[key]

        return _Reader(io.BytesIO(archive.read(names["data.pkl"])), find).load()


def _from_stream(file: BinaryIO, size: int) -> dict[str, Any]:
    stored: dict[str, _Storage] = {}

    def find(dtype: np.dtype, key: str, count: int) -> _Storage:
        if count * dtype.itemsize > size:
            raise pickle.UnpicklingError("a storage is larger than the file")
        return stored.setdefault(key, _Storage(dtype, count))

    if _Reader(file, find).load() != _MAGIC:
        raise pickle.UnpicklingError("no PyTorch file")
    for _ in range(2):  # the protocol's version, and the sizes of C types
        _Reader(file, find).load()
    found = _Reader(file, find).load()
    for key in _Reader(file, find).load():
        storage = stored[str(key)]
        count = int.from_bytes(file.read(8), "little")
        storage.data = np.frombuffer(file.read(count * storage.data.itemsize), storage.data.dtype, count)
    return found


def read_hugging_face(folder: Path) -> dict[str, np.ndarray]:
    """The tensors of a Hugging Face folder: model.safetensors, or else pytorch_model.bin. Raises MissingWeights."""
    if (folder / "model.safetensors").is_file():
        return read_tensors(folder / "model.safetensors")[0]
    if (folder / "pytorch_model.bin").is_file():
        return read_state_dict(folder / "pytorch_model.bin")
    raise MissingWeights(
        f"{folder} 中既没有 model.safetensors 也没有 pytorch_model.bin。请从 Hugging Face 或其镜像下载整个模型文件夹。"
    )
