import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="需要 pip install -e .[serve]")

from starlette.testclient import TestClient

from paddle_vlm.serving.app import create_app
from paddle_vlm.serving.local import LocalEngine
from paddle_vlm.serving.settings import ServeSettings


@pytest.fixture(scope="session")
def light_handlers():
    """Handlers without models: see light.py."""
    spec = importlib.util.spec_from_file_location("light", Path(__file__).parent / "light.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.light_handlers


@pytest.fixture
def service(light_handlers):
    """`with service(limits=...) as client`: the real application over light handlers, in this process."""

    def make(handlers=light_handlers, **settings):
        chosen = ServeSettings(**settings)
        return TestClient(create_app(chosen, LocalEngine(chosen, handlers)))

    return make


@pytest.fixture(scope="session")
def picture():
    """`picture(colour, size, format)`: the bytes of an image file."""

    def make(colour=(200, 30, 40), size=(32, 24), format="PNG"):
        file = io.BytesIO()
        Image.fromarray(np.full((*size[::-1], 3), colour, np.uint8)).save(file, format)
        return file.getvalue()

    return make
