"""What a network has to beat: HOG and a linear SVM on the same pictures."""

import numpy as np

from paddle_vlm.data.images import LabelledImages
from paddle_vlm.vision.svm import HogSvm


def hog_svm_accuracy(train: LabelledImages, test: LabelledImages, most: int = 10_000) -> float:
    """Share of `test` that HOG and a linear SVM name right after learning from `train`, 0 to 1.

    Args:
        most: of a larger training part, so many pictures drawn at random are learnt from.
    """
    if len(train) > most:
        train = train.take(np.random.default_rng(0).permutation(len(train))[:most])
    predicted = HogSvm().fit(train.images, train.labels).predict(test.images)
    return float((predicted == test.labels).mean())
