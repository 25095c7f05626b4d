"""Plots of a fitted network: its learning curves and its first-layer weights.

Both displays follow scikit-learn's display API. `from_estimator` reads the fitted attributes of a
network, which may be inside pipelines and searches. `plot` draws them. The display stores the data
and the artists. matplotlib is imported at the first plot, and pyplot only makes a figure if no `ax`
is given.
"""

from sk_twolayer.display.loss_curve import LossCurveDisplay
from sk_twolayer.display.weights import WeightsDisplay

__all__ = ["LossCurveDisplay", "WeightsDisplay"]
