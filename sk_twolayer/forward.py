"""What a fitted network computes of rows, whatever its scores mean: these, and what is hidden.

The hidden layer is what the network has made of the columns for its own use: features in which its
classes lie apart, for whatever comes next in a pipeline. Rows are gone through in chunks, sparse
ones are never made dense, and rows of W1 that wait for their updates go on waiting.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sk_twolayer.lazy import keep_columns, occurring_features
from sk_twolayer.network import compute_hidden, compute_scores
from sk_twolayer.streams import is_stream, read_weights
from sk_twolayer.validation import refuse_infinite_outputs, validate_prediction_rows


class ForwardMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The methods of a fitted network that say nothing of what it was trained for."""

    def transform(self, X):
        """Compute the activations of the hidden units.

        They are the features from which the network computes its scores, for a model on top of
        them or a picture of the rows. No unit is dropped.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Computed in row chunks, so that memory stays bounded but for the result.

        Returns
        -------
        a1 : ndarray of shape (n_samples, hidden_size)
            ``max(0, X W1 + b1)`` or what `activation` says, in the dtype of `coefs_`: float32
            where the network was fitted on float32. A data frame after
            ``set_output(transform="pandas")``, with the names of `get_feature_names_out`.

        Raises
        ------
        ValueError, TypeError
            If X is not what it must be, or its activations overflow.
        NotFittedError
            If the network is not fitted.

        Examples
        --------
        A network of 30 hidden units in the middle of a pipeline:

        >>> from sklearn.datasets import load_digits
        >>> from sklearn.model_selection import train_test_split
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from sk_twolayer import TwoLayerClassifier
        >>> X_train, X_test, y_train, y_test = train_test_split(
        ...     *load_digits(return_X_y=True), random_state=0
        ... )
        >>> network = TwoLayerClassifier(30, random_state=0)
        >>> model = make_pipeline(StandardScaler(), network, KNeighborsClassifier())
        >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.95
        True
        >>> model[:-1].transform(X_test).shape
        (450, 30)
        >>> network.get_feature_names_out()[:2]
        array(['twolayerclassifier0', 'twolayerclassifier1'], dtype=object)
        """
        X, rows, (W1, _), (b1, _), activation = self._rows_and_parameters(X)
        hidden = compute_hidden(rows, W1, b1, activation)
        refuse_infinite_outputs(X, hidden, "hidden activations")
        return hidden

    @property
    def _n_features_out(self):
        return len(self.intercepts_[0])

    def _scores(self, X):
        X, rows, coefs, intercepts, activation = self._rows_and_parameters(X)
        scores = compute_scores(rows, *coefs, *intercepts, activation)
        refuse_infinite_outputs(X, scores, "scores")
        return scores

    def _rows_and_parameters(self, X):
        """Return validated rows as given and as W1 has their columns, and the network's parts."""
        check_is_fitted(self, "out_activation_")
        X = validate_prediction_rows(self, X)
        rows, fitted = X, vars(self)
        if is_stream(fitted):
            features = None
            if issparse(X):
                features = occurring_features(X)
                rows = keep_columns(X, features, np.empty(X.shape[1], np.int32))
            fitted, coefs = read_weights(self, features)
        else:
            coefs = fitted["coefs_"]
        return X, rows, coefs, fitted["intercepts_"], fitted["activation"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
