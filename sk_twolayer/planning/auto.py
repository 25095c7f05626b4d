"""The rules behind "auto" hyper-parameters.

Each rule is a method of `AutoRules`, whose docstring is its formula. There, n is the number of
training samples, D the number of features, C the number of classes (2 for a label indicator).
Features are "rare", as words are in texts, if an average sample has at least three entries of
features that occur in fewer than one sample of a batch. One-hot columns are not: of each category,
a sample has one entry. All statistics are of up to 1,000 samples, see ``data.statistics``. The
measurements behind the numbers are in benchmarks/README.md.
"""

from functools import cached_property
from math import ceil, sqrt

from scipy.sparse import issparse

from sk_twolayer.data import DataSummary

# Features are rare where an average sample has so many entries of rare features. The shortest texts
# have twice as many, and a table of 19 categories with up to 250 levels has 2.3.
RARE_ENTRIES = 3


class AutoRules:
    """The rules behind "auto", for an estimator and its data.

    Parameters
    ----------
    estimator : TwoLayerClassifier or TwoLayerRegressor
        Its `solver` and `hidden_size` matter.
    data : Data
        The training samples.
    targets : ClassTargets or RegressionTargets
        The targets of the network.
    one_pass : bool
        True in `partial_fit`.
    earlier : Totals, default=None
        Of the earlier samples of a stream, as long as they are few.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.data import ClassTargets, Data
    >>> from sk_twolayer.planning.auto import AutoRules
    >>> data = Data(np.eye(4).repeat(1000, axis=0), np.arange(4).repeat(1000), None)
    >>> targets = ClassTargets(np.arange(4), indicator=False)
    >>> rules = AutoRules(TwoLayerClassifier(), data, targets, one_pass=False)
    >>> rules.batch_size(), rules.max_iter(updates_per_epoch=40), rules.dropout()
    (100, 15, 0.0)
    """

    def __init__(self, estimator, data, targets, one_pass, earlier=None):
        self.solver, self.hidden_size = estimator.solver, estimator.hidden_size
        self.X, self.n_samples, self.n_features = data.X, len(data.indices), data.X.shape[1]
        self.regresses, self.n_outputs = targets.output in ("identity", "exp"), targets.n_outputs
        self.n_classes = 2 if targets.output == "logistic" else targets.n_outputs
        self.one_pass = one_pass
        self.summary = DataSummary(data, earlier)

    @cached_property
    def rare(self):
        """True for "adamw" if features are rare."""
        return self.solver == "adamw" and (
            self.summary.rare_entries(self._common_batch_size) >= RARE_ENTRIES
        )

    @property
    def _common_batch_size(self):
        return min(max(self.n_samples // 20, 64), 100)

    def batch_size(self):
        """Return n/20 within 64 to 100 for "adamw", and n/10 within 32 to 200 for the others.

        For "adamw" it is n/10 within 64 to 200 if features are rare, or n/50 within these bounds if
        X is sparse, as updates cost what the samples cost; and n/50 within 32 to 200 in
        `partial_fit`, which sees each sample once. For "sgd" it is n/50 within 32 to 200 if a
        feature of sparse samples occurs less than once in such a batch, on average. For "lbfgs" all
        batches make one gradient, and their size, 1,000, only bounds the memory.
        """
        n, solver, sparse = self.n_samples, self.solver, issparse(self.X)
        if solver == "lbfgs":
            return min(1000, n)
        if solver == "adamw" and not (self.one_pass or self.rare):
            return self._common_batch_size
        least = 64 if solver == "adamw" and not self.one_pass else 32
        smaller = min(max(n // 50, least), 200)
        if solver == "sgd" and sparse and smaller * self.X.nnz < self.X.shape[0] * self.n_features:
            return smaller
        if solver == "adamw" and (self.one_pass or sparse):
            return smaller
        return min(max(n // 10, least), 200)

    def max_iter(self, updates_per_epoch):
        """Return max(15, 300 / updates per epoch), or 20 in place of 15 for a regressor.

        A regressor of up to 64 samples, which are one batch, has 150 updates: it is as accurate,
        and rounding errors have less time to grow. If features are rare it is
        max(6, 140 / updates per epoch), as the model overfits rare features within a few epochs.
        It is 200 for "lbfgs".
        """
        if self.solver == "lbfgs":
            return 200
        if not self.one_pass and self.rare:
            return max(6, ceil(140 / updates_per_epoch))
        updates = 150 if self.regresses and self.n_samples <= 64 else 300
        return max(20 if self.regresses else 15, ceil(updates / updates_per_epoch))

    def dropout(self):
        """Return 0 for "adamw", but 0.5 in `fit` if features are rare; 0.1 for "adam" and "sgd".

        Many rare features occur in one class by chance. Elsewhere the decay of "adamw" does as much
        in less time. It is 0 for "lbfgs", and for a regressor: its predictions are sums over all
        units, in which a dropped unit is an error.
        """
        if self.solver == "lbfgs" or self.regresses:
            return 0.0
        if self.solver == "adamw":
            return 0.5 if not self.one_pass and self.rare else 0.0
        return 0.1

    def alpha(self):
        """Return 1e-3; for "adamw", min(5000/(C n), max(5/C, 1)) min(1, 7 D^2/n) d.

        d is the mean ratio of a column's standard deviation to its root mean square: a column that
        varies little around a large mean needs large weights. If features are rare, d is 1, and
        2000 stands in place of 5000, as dropout prevents overfitting there. A regressor has
        min(400/n, 1.5) min(1, 7 D^2/n). The factor with D: many samples of few features do not let
        the network fit noise, and decay would keep it from fitting curves.

        It is 0 for "adamw" in `partial_fit`: a stream has no number of samples, and decay at every
        update would forget features that occur seldom.
        """
        if self.solver != "adamw":
            return 1e-3
        if self.one_pass:
            return 0.0
        few_features = min(1.0, 7 * self.n_features**2 / self.n_samples)
        if self.regresses:
            return min(400 / self.n_samples, 1.5) * few_features
        most = max(5 / self.n_classes, 1.0)
        strength, deviation = (2000, 1.0) if self.rare else (5000, self.summary.relative_deviation)
        return min(strength / (self.n_classes * self.n_samples), most) * few_features * deviation

    def learning_rates(self, batch_size):
        """Return the learning rate and its factor for W1.

        - "adamw": 0.03 (0.06 for a regressor), and for W1 at most 1/m, where m is the mean L1 norm
          of the samples. A step of Adam moves each weight by about the rate, and so the input of a
          hidden unit by about the rate times that norm. If features are rare, at most 0.006 for W1:
          the running mean of the gradient moves a weight for several updates after its feature
          occurred, and no other gradient corrects that.
        - "adam": min(0.02, 1/m).
        - "sgd": min(max(0.1, sqrt(batch_size) / (32 s)), 30 / s), where s is the mean squared norm
          of the samples, at least 1: its gradient grows with the square of the inputs. For samples
          about as short as TF-IDF makes them, larger batches have less noise and allow larger
          steps.
        - "sgd" in a regressor: min(0.1, 1 / (hidden_size + 2 n_outputs s)), which bounds the
          curvature of the squared loss. A step of Nesterov's momentum of 0.9 is stable below 1.4
          over the largest second derivative. The Poisson loss has the same curvature at the
          mean, and the slopes of the other losses are at most 1.

        In `partial_fit`, which plans no decay of the rate, 0.03, 0.06, 0.02 and 1/m are divided by
        three. "lbfgs" has no learning rate.

        The gradient of a batch of fewer than 32 samples, though more are to come, is mostly noise.
        The rate of "sgd" is multiplied by batch_size/32, so that an epoch moves the weights as far
        as with larger batches. The rates of "adamw" and "adam", which divide by the noise, are
        multiplied by its power 3/4.
        """
        if self.solver == "lbfgs":
            return None, 1.0
        small = min(1.0, batch_size / (32 if self.one_pass else min(32, self.n_samples)))
        rate, first_layer = self._rates_of_large_batches(batch_size)
        return rate * (small if self.solver == "sgd" else small**0.75), first_layer

    def _rates_of_large_batches(self, batch_size):
        """Return the learning rate and its factor for W1, where a batch has 32 samples or more."""
        if self.solver == "sgd":
            squared = self.summary.squared
            if self.regresses:
                curvature = self.hidden_size + 2 * self.n_outputs * min(squared, 1e300)
                return min(0.1, 1 / curvature), 1.0
            squared = max(squared, 1)
            return min(max(0.1, sqrt(batch_size) / 32 / squared), 30 / squared), 1.0
        bound = 1 / max(self.summary.l1, 1e-300)
        share = 1 / 3 if self.one_pass else 1.0
        if self.solver == "adam":
            return share * min(0.02, bound), 1.0
        rate = 0.06 if self.regresses else 0.03
        most_if_rare = 0.006 / (share * rate)
        return share * rate, min(1.0, bound / rate, most_if_rare if self.rare else 1.0)

    def init(self, activation):
        """Return "he" for the activation "relu", and "glorot" for the others."""
        return "he" if activation == "relu" else "glorot"
