"""oneDNN through its C interface, on the addresses of Paddle's tensors: without a copy, in Paddle's own threads.

Paddle's wheels bring oneDNN (https://uxlfoundation.github.io/oneDNN, version 3) for inference, but Paddle's own
training operators do not use it: they unfold the picture and multiply, several times slower. `onednn_ops.py` holds
the computations, `layers.py` gives them to autograd.
"""

import functools
import math
import threading
import weakref
from collections.abc import Mapping, Sequence
from ctypes import CDLL, POINTER, Structure, byref, c_int, c_int64, c_size_t, c_uint, c_void_p
from pathlib import Path
from typing import Any

import paddle
from paddle import Tensor

_MAJOR = 3  # the numbers of dnnl_types.h, here and in onednn_ops.py, are fixed within a major version
_CPU, _IN_ORDER, _FLOAT32, _ANY_LAYOUT = 1, 1, 3, 1
SRC, DST = 1, 17  # roles of an argument
OWN_DATA = c_void_p(-1)

Dims = c_int64 * 12
Shape = Sequence[int]


class Handle(c_void_p):
    """An object of oneDNN, destroyed with its last reference."""


class _Version(Structure):
    _fields_ = [("major", c_int), ("minor", c_int), ("patch", c_int)]


class _Argument(Structure):
    _fields_ = [("role", c_int), ("memory", c_void_p)]


class Library:
    """The shared library, an engine and a stream. Raises OSError when it is none or another major version."""

    def __init__(self, path: Path) -> None:
        self.c = CDLL(str(path))
        self.c.dnnl_version.restype = POINTER(_Version)
        if self.c.dnnl_version().contents.major != _MAJOR:
            raise OSError(f"{path}: not oneDNN {_MAJOR}")
        self.c.dnnl_primitive_desc_query_md.restype = c_void_p
        self.c.dnnl_primitive_desc_query_md.argtypes = [c_void_p, c_int, c_int]
        self.c.dnnl_memory_desc_get_size.restype = c_size_t
        self.c.dnnl_memory_set_data_handle.argtypes = [c_void_p, c_void_p]
        self.lock = threading.RLock()  # a primitive's addresses are set before each run
        self.engine = self.make("engine_create", c_int(_CPU), c_size_t(0))
        self.stream = self.make("stream_create", self.engine, c_uint(_IN_ORDER))

    def make(self, function: str, *arguments: Any) -> Handle:
        """Call a function that creates an object. Raises NotImplementedError when oneDNN refuses."""
        made = Handle()
        status = self.c[f"dnnl_{function}"](byref(made), *arguments)
        if status:
            raise NotImplementedError(f"dnnl_{function}: status {status}")
        kind = "primitive_desc" if "primitive_desc" in function else function.partition("_create")[0]
        weakref.finalize(made, self.c[f"dnnl_{kind}_destroy"], c_void_p(made.value)).atexit = False
        return made

    def layout(self, shape: Shape, strides: Shape | None = None) -> Handle:
        """A float32 array, contiguous unless it has other strides (in elements)."""
        size, kind = c_int(len(shape)), c_int(_FLOAT32)
        steps = Dims(*(strides or _contiguous(shape)))
        return self.make("memory_desc_create_with_strides", size, Dims(*shape), kind, steps)

    def pictures(self, shape: Shape, strides: Shape | None = None) -> Handle:
        """The same for [B, H, W, C], whose dimensions oneDNN calls [B, C, H, W]."""
        names = (0, 3, 1, 2)
        strides = strides or _contiguous(shape)
        return self.layout([shape[n] for n in names], [strides[n] for n in names])

    def any_layout(self, shape: Shape) -> Handle:
        """An array that a descriptor may lay out as it likes."""
        size, kind = c_int(len(shape)), c_int(_FLOAT32)
        return self.make("memory_desc_create_with_tag", size, Dims(*shape), kind, c_int(_ANY_LAYOUT))

    def chosen(self, descriptor: Handle, which: int) -> c_void_p:
        """A layout that a descriptor has chosen; it lives as long as the descriptor."""
        return c_void_p(self.c.dnnl_primitive_desc_query_md(descriptor, which, 0))

    def memory(self, layout: c_void_p, data: c_void_p | None = None) -> Handle:
        """A memory object, without an address unless it has its own data."""
        return self.make("memory_create", layout, self.engine, data)

    def reorder(self, source: c_void_p, target: c_void_p) -> Handle:
        """The descriptor of a copy into another layout."""
        return self.make("reorder_primitive_desc_create", source, self.engine, target, self.engine, None)


def _contiguous(shape: Shape) -> list[int]:
    return [math.prod(shape[n + 1 :]) for n in range(len(shape))]


@functools.cache
def find() -> Library | None:
    """oneDNN as Paddle has loaded it; None where Paddle comes without it (ARM processors) or with another version."""
    folder = Path(paddle.__file__).parent / "libs"
    for path in sorted([*folder.glob("libdnnl.so*"), *folder.glob("*dnn*.dll")]):
        try:
            return Library(path)
        except (OSError, AttributeError, NotImplementedError):
            continue
    return None


def get() -> Library:
    """oneDNN, where `find` finds it."""
    found = find()
    if found is None:
        raise RuntimeError("Paddle comes without oneDNN here: ask find() first")
    return found


class Primitive:
    """One computation on arrays of fixed shapes.

    Args:
        tensors: role -> layout of the tensors of a call, in their order.
        own: role -> memory that the primitive keeps.
    """

    def __init__(
        self, descriptor: Handle, tensors: Mapping[int, c_void_p], own: Mapping[int, Handle] | None = None
    ) -> None:
        dnn = get()
        self._primitive = dnn.make("primitive_create", descriptor)
        self._handles = [dnn.memory(layout) for layout in tensors.values()]
        self._own = own or {}
        pairs = [*zip(tensors, self._handles, strict=True), *self._own.items()]
        self._count = c_int(len(pairs))
        self._arguments = (_Argument * len(pairs))(*[_Argument(role, memory) for role, memory in pairs])

    def __call__(self, *tensors: Tensor) -> None:
        """Run on these tensors, which are contiguous."""
        dnn = get()
        with dnn.lock:
            for handle, tensor in zip(self._handles, tensors, strict=True):
                dnn.c.dnnl_memory_set_data_handle(handle, tensor.data_ptr())
            status = dnn.c.dnnl_primitive_execute(self._primitive, dnn.stream, self._count, self._arguments)
            dnn.c.dnnl_stream_wait(dnn.stream)
        if status:
            raise RuntimeError(f"dnnl_primitive_execute: status {status}")
