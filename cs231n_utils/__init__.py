"""Helpers of the series: data, gradient checks and figures.

The networks are taught in the notebooks; `taught` holds the cells that they export.
"""

import os

from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.threads import limit_threads

__all__ = ["SoftmaxClassifier", "TwoLayerNet"]

limit_threads(os.environ.get("CS231N_THREADS", "1"))
