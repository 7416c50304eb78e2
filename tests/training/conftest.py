"""Fixtures of the training tests."""

import contextlib
import importlib.util
import resource
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def toy():
    """The module toy_task.py."""
    spec = importlib.util.spec_from_file_location("toy_task", Path(__file__).parent / "toy_task.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def full_disk():
    """`with full_disk(n):` files cannot grow beyond n bytes, as on a disk that is full."""

    @contextlib.contextmanager
    def limit(size: int):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
