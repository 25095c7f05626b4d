"""What a fitted classifier says of rows: scores, probabilities, labels."""

import numpy as np

from sk_twolayer.losses import logistic, softmax
from sk_twolayer.targets import decode


class PredictionsMixin:
    """The methods of a classifier that make something of its scores; see ``forward``."""

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
