"""Handlers that need no models, for tests of what surrounds them."""

import hashlib

import numpy as np

from paddle_vlm.errors import PaddleVLMError, UsageError
from paddle_vlm.vision.image import load_image


class Light:
    """Reads pictures for real, and answers with their size and colour."""

    def __init__(self, task, settings):
        self.task, self.pixels = task, int(settings.limits.megapixels * 1e6)

    def probe(self, thorough=False):
        pass

    def run(self, items, progress):
        return [self.attempt(number, item, progress) for number, item in enumerate(items)]

    def attempt(self, number, item, progress):
        try:
            return self.answer(number, item, progress)
        except PaddleVLMError as error:
            return error

    def answer(self, number, item, progress):
        if item.options.get("text") == "内部故障":
            raise ZeroDivisionError
        if item.options.get("text") == "不该问的":
            raise UsageError("不能问这个。请换一句。")
        pictures = [load_image(data, max_pixels=self.pixels) for data in item.images]
        for done, _ in enumerate(pictures, 1):
            progress(number, {"stage": "stored", "done": done, "total": len(pictures)})
        record = {
            "sizes": [image.rgb.shape[:2] for image in pictures],
            "colours": [np.median(image.rgb, (0, 1)).astype(int).tolist() for image in pictures],
            "options": item.options,
        }
        if self.task == "translate":
            return {"record": record, "image": b"PICTURE", "media_type": "image/png"}
        return record | {"digest": hashlib.sha256(b"".join(item.images)).hexdigest()[:8]}


def light_handlers(settings):
    return {task: Light(task, settings) for task in settings.tasks}
