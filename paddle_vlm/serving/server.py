"""Runs the service until a signal ends it: SIGTERM and SIGINT let requests finish, SIGHUP loads the models anew."""

import asyncio
import contextlib
import gc
import logging
import signal
from functools import partial
from types import FrameType

import uvicorn

from paddle_vlm.errors import PaddleVLMError
from paddle_vlm.serving.app import create_app
from paddle_vlm.serving.logs import log_as_json
from paddle_vlm.serving.metrics import Metrics
from paddle_vlm.serving.processes import ProcessEngine
from paddle_vlm.serving.protocol import GuardedProtocol
from paddle_vlm.serving.service import Service
from paddle_vlm.serving.settings import ServeSettings

log = logging.getLogger(__name__)

_KEEP_ALIVE = 30  # seconds that an idle connection is kept


def serve(settings: ServeSettings) -> int:
    """Returns the exit code: 0 after a signal, 1 when the models cannot be loaded or the port is taken."""
    log_as_json()
    try:
        return _run(settings)
    except KeyboardInterrupt:
        return 0


def _run(settings: ServeSettings) -> int:
    metrics = Metrics()
    engine = ProcessEngine(settings, metrics.observe_batch)
    app = create_app(settings, engine, metrics)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=partial(GuardedProtocol, app.state.service),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(2 * settings.limits.seconds),
        backlog=2 * settings.limits.connections,
    )
    server = _Server(config, app.state.service)
    loop_factory = config.get_loop_factory()
    loop = loop_factory() if loop_factory else asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_serve(server, engine))
    finally:
        loop.close()


async def _serve(server: "_Server", engine: ProcessEngine) -> int:
    try:
        await engine.start()  # before listening, and with a message of our own when it fails
    except PaddleVLMError as error:
        log.error("无法启动服务:%s", error)
        return 1
    gc.collect()
    gc.freeze()  # else each full collection walks over all that was imported, and every request waits for it
    with contextlib.suppress(NotImplementedError, AttributeError):  # Windows has no SIGHUP
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.reload, engine)
    await server.serve()
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """uvicorn's, but that /readyz says no some time before it stops listening."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._reload: asyncio.Task[None] | None = None

    async def startup(self, sockets: list | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            log.info("listening", extra={"event": {"host": host, "port": port}})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._service.draining:
            self.force_exit = self.force_exit or sig == signal.SIGINT
            self.should_exit = True
            return
        self._service.draining = True
        loop = asyncio.get_event_loop()
        loop.call_soon_threadsafe(loop.call_later, self._service.settings.drain_seconds, self._stop)

    def _stop(self) -> None:
        self.should_exit = True

    def reload(self, engine: ProcessEngine) -> None:
        """Load the models anew, in the background."""
        if self._reload is None or self._reload.done():
            self._reload = asyncio.get_running_loop().create_task(self._load_anew(engine))

    async def _load_anew(self, engine: ProcessEngine) -> None:
        try:
            await engine.reload({})
            log.info("models loaded anew")
        except PaddleVLMError as error:
            log.error("新模型不可用,仍在用原来的模型。原因:%s", error)
