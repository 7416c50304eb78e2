import numpy as np
import paddle

from paddle_vlm.models.fusion import Fusion, FusionConfig

CONFIG = FusionConfig(channels=6, cells=4, text_width=10, width=16, heads=2, layers=2)


def inputs(seed: int, texts: int = 3) -> tuple[paddle.Tensor, paddle.Tensor]:
    rng = np.random.default_rng(seed)
    shapes = ([texts, 4, 6], [texts, 5, 10])
    grid, states = (paddle.to_tensor(rng.normal(size=shape).astype(np.float32)) for shape in shapes)
    return grid, states


def fusion() -> Fusion:
    paddle.seed(0)
    model = Fusion(CONFIG)
    model.eval()
    return model


@paddle.no_grad()
def test_padding_does_not_change_the_answer():
    model, (grid, states) = fusion(), inputs(0)
    mask = paddle.ones([3, 5])
    plain = model.match(model.look(grid), states, mask)
    longer, wider = paddle.concat([states, states], 1), paddle.concat([mask, paddle.zeros([3, 5])], 1)
    np.testing.assert_allclose(model.match(model.look(grid), longer, wider).numpy(), plain.numpy(), atol=1e-5)


@paddle.no_grad()
def test_both_picture_and_text_matter_and_so_do_the_picture_s_places():
    model, (grid, states), mask = fusion(), inputs(0), paddle.ones([3, 5])
    other_grid, other_states = inputs(1)
    first = model.match(model.look(grid), states, mask).numpy()
    for look, read in ((other_grid, states), (grid, other_states), (grid.flip(1), states)):
        assert np.abs(model.match(model.look(look), read, mask).numpy() - first).min() > 1e-5


@paddle.no_grad()
def test_a_picture_seen_once_serves_many_texts():
    model, (grid, states), mask = fusion(), inputs(0), paddle.ones([3, 5])
    picture = [(key[:1].expand([3, -1, -1, -1]), value[:1].expand([3, -1, -1, -1])) for key, value in model.look(grid)]
    separate = model.match(model.look(grid[:1].expand([3, -1, -1])), states, mask)
    np.testing.assert_allclose(model.match(picture, states, mask).numpy(), separate.numpy(), atol=1e-5)
    assert model(picture, states, mask).shape == [3, 6, 16]
