"""Datasets that are downloaded once and kept in a cache.

CIFAR-10 is the dataset of the CS231n exercise. `fetch_cifar10` behaves like the `fetch_*`
functions of scikit-learn, and shares their cache.
"""

from sk_twolayer.datasets.cifar10 import fetch_cifar10

__all__ = ["fetch_cifar10"]

fetch_cifar10.__module__ = __name__  # the public address
