"""Categories of every kind as text."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_twolayer.preprocessing.columns import columns_of, text


class TextLevels(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Write the entries of columns as text, so that all are of one type.

    Missing entries of every kind (None, NaN, NaT, NA) become "missing", and whole numbers lose
    their decimal point, so that a column of integers that is read as floats has the same levels.

    Attributes
    ----------
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str
        The names of the columns, if they are strings.

    Examples
    --------
    >>> from sk_twolayer.preprocessing import TextLevels
    >>> TextLevels().fit_transform([["red", 1], [None, 2.0]]).tolist()
    [['red', '1'], ['missing', '2']]
    """

    __module__ = "sk_twolayer.preprocessing"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X, y=None):
        """Learn the names of the columns.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            Its entries may be of any type.
        y : None
            Ignored.

        Returns
        -------
        self : TextLevels
            The fitted transformer.
        """
        validate_data(self, X, skip_check_array=True)
        return self

    def transform(self, X):
        """Write the entries as text.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            Its entries may be of any type.

        Returns
        -------
        levels : ndarray of str objects of shape (n_samples, n_features)
            The text of each entry.
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        columns = columns_of(X)
        levels = np.empty((len(columns[0]), len(columns)), dtype=object)
        for j, column in enumerate(columns):
            levels[:, j] = [text(value) for value in np.asarray(column, dtype=object)]
        return levels
