"""Helpers of the series: data, gradient checks and figures.

The network itself is taught in the notebooks; `from_notebooks` holds the cells they export.
"""
