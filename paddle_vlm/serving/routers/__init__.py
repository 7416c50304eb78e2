"""One module a task. A new task is a module here with `add_routes(app, service)`, a line below and a handler."""

from collections.abc import Mapping

# task -> module
ROUTERS: Mapping[str, str] = {
    "translate": "paddle_vlm.serving.routers.translate",
    "search": "paddle_vlm.serving.routers.search",
    "index": "paddle_vlm.serving.routers.index",
    "embed": "paddle_vlm.serving.routers.embed",
    "classify": "paddle_vlm.serving.routers.classify",
    "analyze": "paddle_vlm.serving.routers.analyze",
}
