"""Pictures of a fitted network: its learning curves and its first-layer weights.

Both displays follow scikit-learn: `from_estimator` reads the fitted attributes of the network,
alone or inside pipelines and searches, `plot` draws them, and the object keeps the numbers and
the artists. matplotlib is imported only when something is drawn, and pyplot is used only to
make a figure where no `ax` is given.
"""

from sk_twolayer.display.loss_curve import LossCurveDisplay
from sk_twolayer.display.weights import WeightsDisplay

__all__ = ["LossCurveDisplay", "WeightsDisplay"]
