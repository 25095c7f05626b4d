"""The estimators that people fit: a classifier and a regressor on one base.

``classifier`` and ``regressor`` describe hyper-parameters and predictions. ``base`` is what happens
between `fit` and the training loop; ``hyperparameters`` says which values are valid; ``prediction``
computes scores; ``persistence`` records versions in saved models.
"""

from sk_twolayer.estimators.classifier import TwoLayerClassifier
from sk_twolayer.estimators.regressor import TwoLayerRegressor
