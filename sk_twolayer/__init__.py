"""A two-layer neural network as a first-class scikit-learn estimator."""

from sk_twolayer.classifier import TwoLayerClassifier

__version__ = "0.2.0"
__all__ = ["TwoLayerClassifier"]
