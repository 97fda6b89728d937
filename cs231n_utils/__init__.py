"""Helpers of the series: data, gradient checks and figures.

The networks are taught in the notebooks; `taught` holds the cells that they export.
"""

from cs231n_utils.taught.models import SoftmaxClassifier, TwoLayerNet

__all__ = ["SoftmaxClassifier", "TwoLayerNet"]
