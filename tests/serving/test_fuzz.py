"""Requests made up from the OpenAPI document, right and wrong ones: none may end in a 500."""

import importlib.util
import os
from collections import Counter
from pathlib import Path

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="需要 pip install schemathesis")

from hypothesis import HealthCheck, Phase, settings  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402

from paddle_vlm.serving.app import create_app  # noqa: E402
from paddle_vlm.serving.local import LocalEngine  # noqa: E402
from paddle_vlm.serving.settings import ServeSettings  # noqa: E402

EXAMPLES = int(os.environ.get("PADDLE_VLM_FUZZ", "5"))  # an operation; 150 make more than 1,000 requests


def fuzzed_app():
    spec = importlib.util.spec_from_file_location("light", Path(__file__).parent / "light.py")
    light = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(light)
    chosen = ServeSettings(admin_key="geheim")
    return create_app(chosen, LocalEngine(chosen, light.light_handlers))


schema = schemathesis.openapi.from_asgi("/openapi.json", fuzzed_app())
statuses = Counter()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_made_up_request_breaks_the_service(case):
    response = case.call(headers={"x-api-key": "geheim"})
    statuses[response.status_code] += 1
    case.validate_response(response, checks=[not_a_server_error], headers={"x-api-key": "geheim"})
    if response.status_code >= 400:
        assert response.json()["error"]["message"]


def test_the_made_up_requests_were_right_and_wrong_ones():
    assert statuses[200] and statuses[422] and not statuses[503], statuses
