"""A two-layer neural network as first-class scikit-learn estimators."""

from sk_twolayer.estimators import TwoLayerClassifier, TwoLayerRegressor

__version__ = "0.2.0"
__all__ = ["TwoLayerClassifier", "TwoLayerRegressor"]
