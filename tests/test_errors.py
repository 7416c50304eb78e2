"""One family of errors."""

import inspect

from paddle_vlm import errors


def test_one_except_clause_catches_every_error_of_the_project():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    assert len(kinds) > 5
    assert all(issubclass(kind, errors.PaddleVLMError) for kind in kinds)
    assert not issubclass(errors.PaddleVLMError, OSError | ValueError)
