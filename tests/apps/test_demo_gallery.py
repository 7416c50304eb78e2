"""The emoji gallery for a first try."""

from paddle_vlm.apps.demo_gallery import draw_emoji
from paddle_vlm.vision.image import load_image


def test_drawings_with_their_chinese_names_are_written_once(tmp_path):
    folder, captions = draw_emoji(size=32, folder=tmp_path / "demo")
    assert len(captions) > 1500
    apple = next(path for path, name in captions.items() if name == "红苹果")
    assert load_image(apple).rgb.shape == (32, 32, 3)
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    draw_emoji(size=32, folder=tmp_path / "demo")
    assert times == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
