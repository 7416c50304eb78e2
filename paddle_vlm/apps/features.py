"""Classical features of pictures, drawn: key points, edges, segments, visual words; and what two pictures share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from paddle_vlm.errors import OutputError
from paddle_vlm.vision import feature_drawing as drawing
from paddle_vlm.vision.features import MatchResult, Vocabulary, hog_cells, match_sift, sift
from paddle_vlm.vision.image import LoadedImage, load_image, save_image
from paddle_vlm.vision.segment import cut_out

Kind = Literal["sift", "hog", "segment", "words"]
Source = str | Path | bytes | np.ndarray
_WORDS = 12  # colours that can still be told apart


@dataclass
class FeatureDrawing:
    """A picture of what was found, and the numbers.

    Attributes:
        rgb: uint8 [H, W, 3].
        figures: what to tell, such as {"特征点": 812}.
    """

    original: LoadedImage
    kind: str
    rgb: np.ndarray
    figures: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"image": _name(self.original), "kind": self.kind} | self.figures

    def save(self, path: str | Path) -> Path:
        """Write the drawing. Raises OutputError, also where it would overwrite the picture itself."""
        return save_image(self.rgb, self.original, path)


@dataclass
class PictureMatch:
    """What two pictures share.

    Attributes:
        result: the places and the homography.
        rgb: both pictures with lines between the same places, uint8.
    """

    first: LoadedImage
    second: LoadedImage
    result: MatchResult
    rgb: np.ndarray

    @property
    def same_scene(self) -> bool:
        """Whether they show the same thing: chance gives up to about 7 agreeing places."""
        return self.result.inliers >= 12

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        homography = self.result.homography
        return {
            "first": _name(self.first),
            "second": _name(self.second),
            "candidates": self.result.candidates,
            "inliers": self.result.inliers,
            "same_scene": self.same_scene,
            "homography": None if homography is None else homography.round(6).tolist(),
        }

    def save(self, path: str | Path) -> Path:
        """Write the drawing. Raises OutputError, also where it would overwrite one of the pictures."""
        for original in (self.first, self.second):
            if original.path is not None and Path(path).exists() and original.path.samefile(path):
                raise OutputError(f"输出 {path} 就是输入图片,不会覆盖它。请换一个文件名。")
        return save_image(self.rgb, None, path)


def find_features(source: Source, kind: Kind = "sift") -> FeatureDrawing:
    """Find and draw one kind of features.

    Args:
        source: what `load_image` takes.
        kind: "sift" key points, "hog" edges, "segment" superpixels, regions and the subject, or "words": key points
            coloured by the visual word that they belong to, of a vocabulary learnt from this picture.

    Raises BadImage.
    """
    image = load_image(source)
    rgb = image.rgb
    if kind == "hog":
        cell = max(8, max(rgb.shape[:2]) // 60)
        cells = hog_cells(rgb, cell)
        figures = {"每格像素": cell, "格": f"{cells.shape[1]}×{cells.shape[0]}"}
        return FeatureDrawing(image, kind, drawing.draw_hog(rgb, cell), figures)
    if kind == "segment":
        subjects = {"GrabCut 主体占画面": cut_out(rgb), "分水岭主体占画面": cut_out(rgb, "watershed")}
        figures = {name: f"{mask.mean():.1%}" for name, mask in subjects.items()}
        return FeatureDrawing(image, kind, drawing.draw_segments(rgb, list(subjects.values())), figures)
    keypoints = sift(rgb)
    if kind == "sift":
        return FeatureDrawing(image, kind, drawing.draw_keypoints(rgb, keypoints), {"特征点": len(keypoints)})
    words = Vocabulary.learn([keypoints], _WORDS).assign(keypoints)
    figures = {"特征点": len(keypoints), "各词的特征点": np.bincount(words, minlength=_WORDS).tolist()}
    return FeatureDrawing(image, kind, drawing.draw_keypoints(rgb, keypoints, words), figures)


def match_pictures(first: Source, second: Source) -> PictureMatch:
    """Places that both pictures show, checked for agreeing with one plane. Raises BadImage."""
    one, other = load_image(first), load_image(second)
    result = match_sift(one.rgb, other.rgb)
    return PictureMatch(one, other, result, drawing.draw_matches(one.rgb, other.rgb, result))


def _name(image: LoadedImage) -> str | None:
    return str(image.path) if image.path else None
