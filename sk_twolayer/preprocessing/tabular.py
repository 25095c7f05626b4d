"""A network for a table: a pipeline that shows the columns to it as it learns best."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.preprocessing.columns import column_kind, columns_of
from sk_twolayer.preprocessing.dates import DateParts
from sk_twolayer.preprocessing.encoder import PiecewiseLinearEncoder
from sk_twolayer.preprocessing.levels import TextLevels

NETWORKS = {"classifier": TwoLayerClassifier, "regressor": TwoLayerRegressor}

# Levels that occur once tell nothing. The largest number of levels bounds the width of the output.
LEVELS = {"min_frequency": 2, "max_categories": 500, "handle_unknown": "infrequent_if_exist"}


def tabular_pipeline(estimator):
    """Return a pipeline from a table to a network.

    A table is a data frame of pandas or polars, or an array. Each kind of column goes its way; the
    kinds are found in `fit`, from the dtypes, and from the entries where the dtype is "object".

    - "numbers", and booleans: `PiecewiseLinearEncoder`.
    - "categories" (text, categorical dtypes, mixed entries): one-hot columns, one of them for
      missing values. `TextLevels` writes every level as text. Levels that occur once in `fit`
      and levels beyond the 499 most frequent ones share a column, with levels that `fit` did not
      see. If there is no such column, an unseen level is zero in all columns.
    - "dates" (also times and durations): numbers by `DateParts`, encoded as other numbers. Text in
      ISO format is read where `fit` saw dates; numbers are refused there.

    Columns without any value in `fit` are ignored. Missing values may be None, NaN, NaT, NA or
    null, in every column, also where there was none in `fit`. A column that is missing in a data
    frame raises scikit-learn's error; more columns, in any order, are allowed. The network gets
    a dense float32 array.

    Parameters
    ----------
    estimator : estimator, or {"classifier", "regressor"}
        A `TwoLayerClassifier`, a `TwoLayerRegressor`, or another estimator of scikit-learn's
        kind. The strings stand for networks with default settings.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Not fitted. Its steps are "preprocessing", a
        :class:`~sklearn.compose.ColumnTransformer` of "numbers", "categories" and "dates", and
        "network", which is `estimator` itself. So a search over settings names them
        ``preprocessing__numbers__n_bins``, ``preprocessing__categories__encoder__min_frequency``,
        ``preprocessing__dates__encoder__n_bins``, ``network__hidden_size``; and
        ``pipeline.fit(X, y, network__sample_weight=weights)`` weighs samples.

    Raises
    ------
    TypeError
        If `estimator` is a class or has no method `fit`.
    ValueError
        If `estimator` is another string.

    See Also
    --------
    skrub.tabular_pipeline : A pipeline of the same kind in front of any estimator, for text and
        dirty tables too.

    Notes
    -----
    Errors about values name the column of a data frame. In an array, which has no names, they count
    the columns of each kind from 0.

    The fitted pipeline can be pickled. `skops.io.load` needs
    ``trusted=["sk_twolayer.TwoLayerClassifier", "sk_twolayer.preprocessing.ColumnsOfKind",
    "sk_twolayer.preprocessing.DateParts", "sk_twolayer.preprocessing.PiecewiseLinearEncoder",
    "sk_twolayer.preprocessing.TextLevels"]``.
    `sk_twolayer.onnx.to_onnx` converts the pipeline to ONNX, unless it has dates. In the
    graph, missing text is the text "missing".

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.preprocessing import tabular_pipeline
    >>> X = pd.DataFrame({"size": [1.0, 2.0, None, 4.0], "colour": ["red", "blue", "blue", None]})
    >>> model = tabular_pipeline(TwoLayerClassifier(random_state=0))
    >>> model.fit(X, ["a", "a", "b", "b"]).predict(X).tolist()
    ['a', 'a', 'b', 'b']
    >>> model[:-1].get_feature_names_out()[-2:].tolist()
    ['categories__colour_blue', 'categories__colour_infrequent_sklearn']
    """
    if isinstance(estimator, str):
        if estimator not in NETWORKS:
            raise ValueError(
                f"estimator={estimator!r} is no estimator: pass 'classifier', 'regressor' or an "
                f"estimator such as TwoLayerClassifier()."
            )
        estimator = NETWORKS[estimator]()
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(
            f"estimator={estimator!r} is no estimator: the last step of a pipeline is an instance "
            f"with a method fit. Try TwoLayerClassifier() or TwoLayerRegressor()."
        )
    numbers, dates = (PiecewiseLinearEncoder(dtype=np.float32) for _ in range(2))
    levels = OneHotEncoder(**LEVELS, sparse_output=False, dtype=np.float32)
    parts = {
        "number": ("numbers", numbers),
        "category": ("categories", Pipeline([("text", TextLevels()), ("encoder", levels)])),
        "date": ("dates", Pipeline([("parts", DateParts()), ("encoder", dates)])),
    }
    preprocessing = ColumnTransformer(
        [(name, part, ColumnsOfKind(kind)) for kind, (name, part) in parts.items()]
    )
    return Pipeline([("preprocessing", preprocessing), ("network", estimator)])


class ColumnsOfKind:
    """Select the columns of a kind from a table, when a `ColumnTransformer` is fitted.

    Parameters
    ----------
    kind : {"number", "category", "date"}
        The kind.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.preprocessing import ColumnsOfKind
    >>> ColumnsOfKind("category")(np.array([[1.0, "red"], [2.0, None]], dtype=object))
    [1]
    """

    __module__ = "sk_twolayer.preprocessing"

    def __init__(self, kind):
        self.kind = kind

    def __repr__(self):
        return f"ColumnsOfKind({self.kind!r})"

    def __eq__(self, other):
        return isinstance(other, ColumnsOfKind) and self.kind == other.kind

    def __hash__(self):
        return hash(self.kind)

    def __call__(self, X):
        """Return the positions of the columns.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            A data frame or an array.

        Returns
        -------
        positions : list of int
            The positions of the columns of this kind.
        """
        return [j for j, column in enumerate(columns_of(X)) if column_kind(column) == self.kind]
