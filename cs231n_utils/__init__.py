"""Helpers of the series: data, checks and figures; `taught` holds what the notebooks export."""

from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.threads import limit_threads

__all__ = ["SoftmaxClassifier", "TwoLayerNet"]

limit_threads("1")
