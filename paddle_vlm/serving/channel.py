"""Messages between the front and its worker processes: a length, then a pickle. Both ends are our own processes."""

import asyncio
import pickle
import socket
import struct
from threading import Lock
from typing import Any

_HEAD = struct.Struct(">Q")


def pack(message: Any) -> bytes:
    """A message as it goes over the socket."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _HEAD.pack(len(body)) + body


async def read_message(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises asyncio.IncompleteReadError at the end."""
    (length,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    return pickle.loads(await reader.readexactly(length))


class Channel:
    """The worker's end. Any thread may send."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self._connection, self._lock = connection, Lock()
        self._file = connection.makefile("rb")

    def send(self, message: Any) -> None:
        """Raises OSError when the front is gone."""
        data = pack(message)
        with self._lock:
            self._connection.sendall(data)

    def receive(self) -> Any:
        """The next message. Raises EOFError when the front is gone."""
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise EOFError
        (length,) = _HEAD.unpack(head)
        body = self._file.read(length)
        if len(body) < length:
            raise EOFError
        return pickle.loads(body)
