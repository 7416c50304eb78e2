"""Fixtures that several tests share."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def scene_text() -> Path:
    """The folder of photographs with Chinese text that lies beside the repository on the developers' machines."""
    folder = ROOT.parent / "shared" / "data" / "scene_text"
    if not folder.is_dir():
        pytest.skip("需要仓库旁的 ../shared/data/scene_text")
    return folder
