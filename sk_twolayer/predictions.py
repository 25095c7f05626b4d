"""What a fitted network says of rows: probabilities, labels or numbers, made of its scores.

The scores themselves are computed in ``forward``.
"""

import numpy as np

from sk_twolayer.losses import logistic, softmax
from sk_twolayer.targets import decode


class ClassPredictionsMixin:
    """The methods of a classifier that need a fitted network and change nothing."""

    def decision_function(self, X):
        """Compute the scores of the classes, before they become probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Computed in row chunks, so that memory stays bounded.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            The larger, the likelier. For two classes the score of the second one.
        """
        scores = self._scores(X)
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict_proba(self, X):
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            The columns are in the order of `classes_`. Each row sums to 1, but for a label
            indicator, whose labels have a probability each.
        """
        p = self._scores(X)
        if self.out_activation_ == "softmax":
            softmax(p)
            return p
        logistic(p)
        return np.hstack([1 - p, p]) if p.shape[1] == 1 else p

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``.
        """
        with np.errstate(divide="ignore"):  # the logarithm of a probability of 0 is -inf
            return np.log(self.predict_proba(X))

    def predict(self, X):
        """Predict the likeliest class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels out of `classes_`, or a label indicator.
        """
        return decode(self._scores(X), self.classes_, self.out_activation_)


class NumberPredictionsMixin:
    """The method of a regressor that needs a fitted network and changes nothing."""

    def predict(self, X):
        """Predict the target or targets of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Computed in row chunks, so that memory stays bounded.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units of the y that the network was fitted on: the scores of the network,
            times `y_scale_`, plus `y_mean_`; in the dtype of the network.
        """
        scores = self._scores(X)
        return self._known_targets().decode(scores)
