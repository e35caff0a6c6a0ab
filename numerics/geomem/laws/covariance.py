"""The spectrum of a data set's covariance, in blocks."""

import numpy as np


def grouped(spectrum: np.ndarray, num_blocks: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of a descending positive spectrum, as their mean variances and sizes."""
    if num_blocks is None or num_blocks >= len(spectrum) or len(spectrum) < 2:
        return spectrum, np.ones(len(spectrum))
    from scipy.cluster.hierarchy import fcluster, linkage  # slow to import, and rarely needed

    labels = fcluster(linkage(np.log(spectrum)[:, None], method="ward"), num_blocks, criterion="maxclust")
    members = [spectrum[labels == label] for label in dict.fromkeys(labels)]  # in descending order
    return np.array([group.mean() for group in members]), np.array([float(len(group)) for group in members])
