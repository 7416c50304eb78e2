"""Every module can be imported, and dependencies point one way only."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import paddle_vlm

# From the bottom to the top; a module may import from its own unit and from those below.
LAYERS = [
    {"errors"},
    {"runtime", "config", "files"},
    {"package_index"},
    {"weights"},
    {"vision", "models"},
    {"text", "data"},
    {"training", "inference"},
    {"retrieval", "translation"},
    {"apps"},
    {"deployment"},
    {"serving"},
    {"cli"},
]
LEVEL = {unit: level for level, layer in enumerate(LAYERS) for unit in layer}
PACKAGE = Path(paddle_vlm.__file__).parent
MODULES = sorted(module.name for module in pkgutil.walk_packages([str(PACKAGE)], "paddle_vlm."))


def imports_of(name: str) -> set[str]:
    """The units of paddle_vlm that a module's source imports, at its top or inside functions."""
    path = PACKAGE.parent / name.replace(".", "/")
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    units = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "paddle_vlm":
            units.update(alias.name for alias in node.names if alias.name in LEVEL)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("paddle_vlm."):
            units.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            units.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("paddle_vlm."))
    return units


@pytest.mark.parametrize("name", MODULES)
def test_module_can_be_imported_and_has_a_place_in_the_layers(name):
    importlib.import_module(name)
    assert name.split(".")[1] in LEVEL


def test_dependencies_point_one_way():
    edges = {(name.split(".")[1], unit) for name in MODULES for unit in imports_of(name)}
    upward = {(own, other) for own, other in edges if LEVEL[other] > LEVEL[own]}
    both_ways = {(own, other) for own, other in edges if own != other and (other, own) in edges}
    assert not upward
    assert not both_ways
