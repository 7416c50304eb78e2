"""Log lines as JSON, one event a line."""

import json
import logging
import sys
from datetime import datetime, timezone

_FIELDS = "event"  # a dict in a record's `extra` whose entries become fields


class JsonLines(logging.Formatter):
    """time, level, logger, message, and what the record carries besides."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Send every logger's lines to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("paddle_vlm").setLevel(level)
    logging.getLogger("paddle_vlm").handlers.clear()
