"""A load generator that costs little itself: prepared bytes over kept connections, in one event loop."""

import asyncio
import random
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

REFUSALS = (429, 503)


def http_request(path: str, body: bytes, content_type: str) -> bytes:
    """A POST as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


@dataclass
class Samples:
    """What came back: seconds of each request by status; 0 stands for a broken connection."""

    by_status: dict[int, list[float]] = field(default_factory=dict)
    seconds: float = 0.0  # of the whole run

    def add(self, status: int, seconds: float) -> None:
        """One answer."""
        self.by_status.setdefault(status, []).append(seconds)

    def of(self, *statuses: int) -> list[float]:
        """Seconds of the answers with these statuses, shortest first."""
        return sorted(value for status in statuses for value in self.by_status.get(status, ()))

    @property
    def counts(self) -> dict[int, int]:
        """Status -> how often."""
        return dict(Counter({status: len(values) for status, values in self.by_status.items()}))

    @property
    def rate(self) -> float:
        """Successful answers a second."""
        return len(self.of(200)) / self.seconds

    def percentiles(self, *statuses: int) -> dict[str, float]:
        """p50, p95, p99 in milliseconds."""
        values = self.of(*(statuses or (200,)))
        return {f"p{share}": round(1e3 * percentile(values, share), 2) for share in (50, 95, 99)}


def percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values; 0 of none."""
    if not values:
        return 0.0
    return values[min(len(values) - 1, round(share / 100 * (len(values) - 1)))] if len(values) > 1 else values[0]


class Connection(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[int] | None = None
        self._buffer = bytearray()
        self._end = -1  # where the answer ends in the buffer, once known
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    @property
    def usable(self) -> bool:
        """Whether the server still keeps it."""
        return self._transport is not None and not self._transport.is_closing()

    async def send(self, request: bytes) -> int:
        """The answer's status; 0 when the connection broke."""
        if self._transport is None or not self.usable:
            return 0
        self._answer = asyncio.get_running_loop().create_future()
        self._buffer, self._end = bytearray(), -1
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Let go."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._end < 0:
            head_end = self._buffer.find(b"\r\n\r\n")
            if head_end < 0:
                return
            head = bytes(self._buffer[:head_end]).lower()
            at = head.find(b"content-length:")
            self._end = head_end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else head_end + 4
        if len(self._buffer) >= self._end and self._answer is not None and not self._answer.done():
            self._answer.set_result(int(self._buffer[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(0)


async def closed_loop(
    port: int, requests: Sequence[bytes], clients: int, count: int, on_count: Callable[[int], object] | None = None
) -> Samples:
    """`clients` that each send their next request as soon as they have their answer, `count` requests in all."""
    samples, sent = Samples(), 0

    async def client() -> None:
        nonlocal sent
        connection = await Connection.open(port)
        while sent < count:
            number, sent = sent, sent + 1
            if on_count is not None:
                on_count(number)
            if not connection.usable:
                connection = await Connection.open(port)
            begun = perf_counter()
            status = await connection.send(requests[number % len(requests)])
            samples.add(status, perf_counter() - begun)
        connection.close()

    begun = perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    samples.seconds = perf_counter() - begun
    return samples


async def open_loop(port: int, requests: Sequence[bytes], rate: float, seconds: float) -> Samples:
    """Requests that come at random times (Poisson), `rate` a second, whether or not earlier ones are answered.

    Latencies count from the moment at which a request was due.
    """
    samples, idle = Samples(), [await Connection.open(port) for _ in range(16)]
    waiting: set[asyncio.Task[None]] = set()
    chance = random.Random(0)

    async def one(number: int, due: float) -> None:
        connection = idle.pop() if idle else await Connection.open(port)
        if not connection.usable:
            connection = await Connection.open(port)
        status = await connection.send(requests[number % len(requests)])
        samples.add(status, perf_counter() - due)
        idle.append(connection)

    begun = due = perf_counter()
    number = 0
    while due < begun + seconds:
        due += chance.expovariate(rate)
        number += 1
        if (early := due - perf_counter()) > 0:
            await asyncio.sleep(early)
        task = asyncio.ensure_future(one(number, due))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)
    samples.seconds = perf_counter() - begun
    for connection in idle:
        connection.close()
    return samples


def median(values: Sequence[float]) -> float:
    """0 of none."""
    return statistics.median(values) if values else 0.0
