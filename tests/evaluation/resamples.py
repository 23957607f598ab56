"""The resamples of lesions as a weight for each image, which is what tests hold the tallies of lesions against."""

from __future__ import annotations

import numpy as np

from lesionflow.evaluation.bootstrap import draw_lesions


def lesion_weights(lesion_ids: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """How often each image is in each resample.

    A resample draws as many lesions as there are, with replacement. It depends on the lesions and the seed alone, not
    on the order of the images.

    Parameters
    ----------
    lesion_ids : (images,) text
    resamples, seed : int

    Returns
    -------
    (resamples, images) uint8
    """
    lesions, lesion_of = np.unique(lesion_ids, return_inverse=True)
    drawn = [counts.astype(np.uint8) for counts in draw_lesions(len(lesions), resamples, seed)]
    return np.concatenate(drawn)[:, lesion_of]
