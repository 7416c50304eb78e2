"""What can be checked of TensorRT without a card."""

import pytest

from paddle_vlm.errors import MissingWeights, UsageError
from paddle_vlm.inference.tensorrt import to_tensorrt, warm_up


def test_the_arrays_have_the_three_shapes_and_the_type():
    arrays = warm_up("pixels", ([1, 4, 4, 3], [8, 4, 4, 3], [32, 4, 4, 3]), "uint8")
    assert [array.shape[0] for array in arrays] == [1, 8, 32] and {str(array.dtype) for array in arrays} == {"uint8"}


@pytest.mark.parametrize(
    "shapes", [([4, 3], [2, 3], [8, 3]), ([1, 3], [2, 3]), ([1, 3], [2], [8, 3]), ([0, 3], [2, 3], [8, 3])]
)
def test_shapes_that_do_not_rise_are_refused(shapes):
    with pytest.raises(UsageError, match="pixels"):
        warm_up("pixels", shapes, "uint8")


def test_a_folder_without_a_program_is_refused(tmp_path):
    with pytest.raises(MissingWeights, match=r"inference\.json"):
        to_tensorrt(tmp_path, tmp_path / "out", {}, {})
