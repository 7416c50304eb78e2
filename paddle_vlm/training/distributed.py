"""Several processes, on one machine or many, started by `python -m paddle.distributed.launch`; one works too."""

from collections.abc import Iterable

import paddle
import paddle.distributed as dist
from paddle import Tensor, nn


def start() -> None:
    """Join the other processes, if there are any."""
    if processes() > 1 and not dist.is_initialized():
        dist.init_parallel_env()


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank()


def processes() -> int:
    """How many train together."""
    return dist.get_world_size()


def is_first() -> bool:
    """Whether this process is the one that writes files and shows progress."""
    return rank() == 0


def wait() -> None:
    """Until every process has come this far."""
    if processes() > 1:
        dist.barrier()


@paddle.no_grad()
def copy_from_first(model: nn.Layer) -> None:
    """Give every process the parameters and buffers of the first."""
    if processes() > 1:
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, src=0)


@paddle.no_grad()
def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its mean over all processes, in one message.

    By hand instead of `paddle.DataParallel`, which wraps the model and hides its methods from the task.
    """
    if processes() == 1:
        return
    trained = [p for p in parameters if p.trainable]
    gradients = [paddle.zeros_like(p) if p.grad is None else p.grad for p in trained]
    flat = paddle.concat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = paddle.split(flat / processes(), [gradient.size for gradient in gradients])
    for parameter, part in zip(trained, parts, strict=True):
        if parameter.grad is not None:
            parameter.grad.copy_(part.reshape(parameter.shape), False)


def agree(values: dict[str, float]) -> dict[str, float]:
    """The first process's `values`, so that all take the same decisions."""
    if processes() == 1 or not values:
        return values
    tensor = paddle.to_tensor(list(values.values()), dtype="float64")
    dist.broadcast(tensor, src=0)
    return dict(zip(values, tensor.tolist(), strict=True))
