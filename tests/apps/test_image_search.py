"""Searching an index: texts and pictures, filters, probabilities, what is written, bad input."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from paddle_vlm.apps.image_search import ImageSearch, index_pictures
from paddle_vlm.errors import BadImage, BadIndex, UsageError
from paddle_vlm.retrieval.catalog import Filter
from paddle_vlm.retrieval.index import PictureIndex
from paddle_vlm.vision.image import load_image


class Reranking:
    """The colour model with a second look that likes bright pictures."""

    looks_again = True

    def __init__(self, model) -> None:
        self._model, self.dim, self.fingerprint = model, model.dim, model.fingerprint
        self.encode_images, self.encode_texts, self.calibrate = model.encode_images, model.encode_texts, model.calibrate

    def rerank(self, query, images):
        return np.array([image.mean() / 255 for image in images], np.float32)


@pytest.fixture
def photos(colour_photos):
    colour_photos("photos/sub", 红=1)
    return colour_photos(红=2, 蓝=2, 黄=2)


@pytest.fixture
def search(tmp_path, photos, colour_model) -> ImageSearch:
    index_pictures([photos], tmp_path / "gallery", encoder=colour_model, captions={f"{photos}/红1.png": "一片红"})
    return ImageSearch(PictureIndex.open(tmp_path / "gallery"), Reranking(colour_model))


def names(result) -> list[str]:
    return [hit.path.rsplit("/", 1)[-1] for hit in result.hits]


def test_a_text_finds_its_pictures_best_first_with_probabilities(search):
    result = search.search("红色的画", 4)
    assert names(result)[:3] in (["红0.png", "红0.png", "红1.png"], ["红0.png", "红1.png", "红0.png"])
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4]
    sureness = [hit.probability for hit in result.hits]
    assert sureness == sorted(sureness, reverse=True)
    assert sureness[2] > 0.9 > 0.1 > sureness[3]
    assert result.total == 7
    assert not result.nothing_fits


def test_a_picture_finds_itself_first_and_shows_likeness_not_probability(search, photos):
    result = search.search_image(photos / "蓝1.png", 2)
    assert names(result) == ["蓝1.png", "蓝0.png"]
    assert result.hits[0].probability is None
    assert result.hits[0].score == pytest.approx(1, abs=1e-3)
    assert "相似度 1.00" in result.table()
    assert not result.nothing_fits


def test_when_nothing_fits_it_is_said(search):
    result = search.search("黑夜")
    assert result.nothing_fits
    assert "没有合适的图片" in result.table()
    assert result.to_dict()["nothing_fits"] is True
    assert search.search("黑夜", min_probability=0.5).hits == []
    assert "没有符合条件" in search.search("黑夜", min_probability=0.5).table()


def test_filters_and_k_beyond_the_index(search, photos):
    assert len(search.search("红", 1000).hits) == 7
    assert len(search.search("红", 1000, where=Filter(under=f"{photos}/sub")).hits) == 1
    assert search.search("红", where=Filter(after=4e9)).hits == []


def test_the_second_look_decides_the_order(search, photos):
    result = search.search("红", 7, rerank=True)
    assert names(result)[:2] == ["黄0.png", "黄1.png"]  # the brightest
    (photos / "黄1.png").unlink()  # gone since: it cannot be looked at again and stands behind the others
    result = search.search("红", 7, rerank=True)
    assert names(result)[-1] == "黄1.png"
    sureness = [hit.probability for hit in result.hits]
    assert sureness == sorted(sureness, reverse=True)


def test_the_sheet_and_the_record_are_written(search, tmp_path):
    result = search.search("红", 3)
    result.save(tmp_path / "hits.jpg")
    assert load_image(tmp_path / "hits.jpg").rgb.shape == result.sheet().shape
    record = json.loads((tmp_path / "hits.json").read_text(encoding="utf-8"))
    assert record == result.to_dict()
    assert [hit["caption"] for hit in record["hits"]].count("一片红") == 1
    assert set(record["seconds"]) == {"encode", "search", "rank"}


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_query_is_refused(search, text):
    with pytest.raises(UsageError, match="空"):
        search.search(text)


def test_bad_k_and_bad_pictures_are_refused(search, tmp_path):
    with pytest.raises(UsageError, match="正整数"):
        search.search("红", 0)
    with pytest.raises(BadImage):
        search.search_image(tmp_path / "missing.jpg")


def test_an_index_of_another_model_and_a_missing_index_are_refused(search, tmp_path, colour_model):
    other = Reranking(colour_model)
    other.fingerprint = "colours-2"
    with pytest.raises(BadIndex, match="--rebuild"):
        ImageSearch(PictureIndex.open(tmp_path / "gallery"), other)
    with pytest.raises(BadIndex, match="没有索引"):
        ImageSearch.open(tmp_path / "nowhere")


def test_many_threads_get_the_answers_of_one(search):
    queries = ["红", "蓝", "黄"] * 10
    wanted = [names(search.search(query, 5)) for query in queries]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda query: names(search.search(query, 5)), queries)) == wanted
