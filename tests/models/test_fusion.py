import numpy as np
import paddle
import pytest

from paddle_vlm.models.fusion import Fusion, FusionConfig

CONFIG = FusionConfig(channels=6, cells=4, characters=9, word_width=3, width=16, hidden=8)


def inputs(seed: int, texts: int = 3) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    rng = np.random.default_rng(seed)
    shapes = ([texts, 4, 6], [texts, 5, 3])
    grid, words = (paddle.to_tensor(rng.normal(size=shape).astype(np.float32)) for shape in shapes)
    return grid, paddle.to_tensor(rng.integers(1, 9, (texts, 5))), words


@pytest.fixture
def fusion() -> Fusion:
    paddle.seed(0)
    model = Fusion(CONFIG)
    model.places.set_value(paddle.randn(model.places.shape) * 0.1)
    model.eval()
    return model


@paddle.no_grad()
def test_padding_does_not_change_the_answer(fusion):
    grid, characters, words = inputs(0)
    plain = fusion.match(fusion.look(grid), characters, words)
    longer, wider = paddle.concat([characters, characters * 0], 1), paddle.concat([words, words], 1)
    np.testing.assert_allclose(fusion.match(fusion.look(grid), longer, wider).numpy(), plain.numpy(), atol=1e-5)


@paddle.no_grad()
def test_the_picture_its_places_the_characters_and_the_words_all_matter(fusion):
    (grid, characters, words), (other_grid, other_characters, other_words) = inputs(0), inputs(1)
    first = fusion.match(fusion.look(grid), characters, words).numpy()
    changed = (
        (other_grid, characters, words), (grid.flip(1), characters, words),
        (grid, other_characters, words), (grid, characters, other_words),
    )  # fmt: skip
    for seen, *read in changed:
        assert np.abs(fusion.match(fusion.look(seen), *read).numpy() - first).min() > 1e-5


@paddle.no_grad()
def test_all_pairs_compared_at_once_give_the_same_logits_as_each_pair_alone(fusion):
    grid, characters, words = inputs(0)
    picture = fusion.look(grid)
    tokens, weights = fusion.read(characters, words)
    agreement = fusion.compare(picture, tokens.flatten(0, 1)).reshape([3, 5, 3])
    together = (fusion.shares(weights, characters).unsqueeze(-1) * agreement).sum(1) * fusion.factor()
    for number in range(3):
        alone = fusion.match(picture[number : number + 1].expand([3, -1, -1]), characters, words)
        np.testing.assert_allclose(together[:, number].numpy(), alone.numpy(), atol=1e-5)


@paddle.no_grad()
def test_a_token_finds_the_cell_that_is_most_like_it(fusion):
    picture = paddle.eye(16)[:4].unsqueeze(0)
    found = fusion(picture, paddle.eye(16)[2:3].unsqueeze(0))
    assert found.shape == [1, 1, 16]
    assert int(found.argmax()) == 2 and float(found.max()) > 0.99
