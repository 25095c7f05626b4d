"""Piecewise-linear encoding of numeric columns, which lets a network learn steps and curves.

A network learns smooth functions of its inputs easily, and steps slowly. `PiecewiseLinearEncoder`
adds to each column a few columns that rise from 0 to 1 within one bin each, so that every function
that is linear within the bins is a linear function of the inputs.
"""

from numbers import Integral
from typing import ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_twolayer.data.validation import refuse_columns, refuse_dates
from sk_twolayer.preprocessing.columns import read_numbers, refuse_infinity
from sk_twolayer.sklearn_private import Interval, Options, check_feature_names_in, fit_context

CLIP = 3.0  # the bound of the softly clipped columns, in standard deviations
# The share of samples below the first edge and above the last one. A bin that reaches to the most
# extreme value is long where there are outliers, and a column that varies for a few samples only
# makes training unstable.
TAIL = 0.01
# Differences of numbers within these bounds are finite.
LARGEST = np.finfo(np.float64).max / 3
BLOCK = 2**15  # entries of the output that are computed at a time, so that they stay in the cache
ADVICE = (
    "PiecewiseLinearEncoder encodes real numbers. pd.to_numeric reads text, and makes it missing "
    'where errors="coerce"; DateParts makes numbers of dates.'
)


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Encode numeric columns for a network: standardised, softly clipped, and piecewise linear.

    The output has, in this order,

    - for each column x its standardised values z, softly clipped to z / sqrt(1 + (z/3)^2);
    - for each bin min(max((x - left) / (right - left), 0), 1), centred, and divided by its standard
      deviation and by the number of bins of the column;
    - for each column in which `fit` saw missing values (NaN) 1 where one is missing, and else 0.

    The edges of the bins are quantiles from 1 % to 99 % of the samples, without duplicates. A value
    that makes up the share of a bin is an edge, and the other edges are quantiles of the other
    values. If a column has at most ``n_bins + 1`` distinct values, these are the edges, so that the
    network's input can be any function of the column.

    Missing values are 0 in all columns of the first two kinds. A column that is constant, up to the
    rounding of its values, has no bins and is 0, whatever its values are later. Values beyond those
    of `fit` are bounded by -3 and 3 in the first kind, and by the outer edges in the second.

    The standard deviations of the bins of a column add up to 1, however many bins there are. So
    they move the input of a hidden unit as far as one standardised column does, and weight decay
    does not depend on `n_bins`.

    Parameters
    ----------
    n_bins : int, default=8
        The largest number of bins of a column. 0 leaves only the softly clipped columns.
    max_features : int, default=100
        Tables of more columns than this get no bins.
    dtype : {np.float32, np.float64} or None, default=None
        The dtype of the output. None keeps float32, and is float64 for other input. All
        differences are computed in float64.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        The mean of each column, without missing values.
    scale_ : ndarray of shape (n_features,)
        The standard deviation of each column; infinite if the column is constant.
    edges_ : list of ndarray
        The edges of the bins of each column, one more than there are bins; empty without bins.
    bin_means_, bin_scales_ : ndarray of shape (n_bins_in_total,)
        What the encoded columns are centred and scaled by.
    missing_features_ : ndarray of int
        The columns that have an indicator of missing values.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str
        The names of the columns, if they are strings.

    See Also
    --------
    sklearn.preprocessing.SplineTransformer : With ``degree=1`` the same functions, in another
        basis.
    sk_twolayer.preprocessing.tabular_pipeline : This encoding for the numbers of a data frame.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in tabular deep
    learning", NeurIPS 2022. https://arxiv.org/abs/2203.05556

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.preprocessing import PiecewiseLinearEncoder
    >>> X = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [np.nan, 1.0]])
    >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit(X)
    >>> encoder.get_feature_names_out().tolist()
    ['x0', 'x1', 'x0_bin_0', 'x0_bin_1', 'x0_missing']
    >>> encoder.transform([[3.0, 1.1], [np.nan, 1.0]]).round(2).tolist()
    [[1.9, 0.0, 0.35, 0.71, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]]
    """

    __module__ = "sk_twolayer.preprocessing"

    _parameter_constraints: ClassVar = {
        "n_bins": [Interval(Integral, 0, None, closed="left")],
        "max_features": [Interval(Integral, 0, None, closed="left")],
        "dtype": [Options(type, {np.float32, np.float64}), None],
    }

    def __init__(self, n_bins=8, *, max_features=100, dtype=None):
        self.n_bins = n_bins
        self.max_features = max_features
        self.dtype = dtype

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _validate(self, X, reset):
        """Return X as an array of float32 or float64; NaN is allowed."""
        refuse_dates(X, ADVICE)
        X = read_numbers(X)
        options = {"dtype": (np.float64, np.float32), "ensure_all_finite": "allow-nan"}
        try:
            return validate_data(self, X, reset=reset, **options)
        except (TypeError, ValueError, OverflowError) as error:
            refuse_columns(X, ADVICE)
            if "infinity" in str(error):
                refuse_infinity(X)
            raise

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the means, the standard deviations and the edges of the bins.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training samples. NaN is a missing value.
        y : None
            Ignored.

        Returns
        -------
        self : PiecewiseLinearEncoder
            The fitted encoder.

        Raises
        ------
        ValueError, TypeError
            If a column holds infinite numbers, or text or dates. The error names the column and
            the value.
        """
        X = self._validate(X, reset=True)
        n_bins = self.n_bins if X.shape[1] <= self.max_features else 0
        columns = [describe(column, n_bins) for column in X.T]
        self.mean_ = np.array([column.mean for column in columns])
        self.scale_ = np.array([column.scale for column in columns])
        self.edges_ = [column.edges for column in columns]
        self.bin_means_ = np.concatenate([column.bin_means for column in columns])
        self.bin_scales_ = np.concatenate([column.bin_scales for column in columns])
        self.missing_features_ = np.flatnonzero([column.has_indicator for column in columns])
        return self

    def transform(self, X):
        """Encode samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples. NaN is a missing value.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            The softly clipped columns, the columns of the bins, the indicators of missing values.

        Raises
        ------
        ValueError, TypeError
            As `fit`; also if the columns are not the columns of `fit`.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        column, left, width = self._bins()
        n_features, end = X.shape[1], X.shape[1] + len(column)
        n_outputs = end + len(self.missing_features_)
        out = np.empty((len(X), n_outputs), self.dtype or X.dtype)
        step = max(BLOCK // n_outputs, 1)
        for start in range(0, len(X), step):
            rows, block = X[start : start + step], out[start : start + step]
            block[:, :n_features] = clip_softly(rows, self.mean_, self.scale_)
            steps = rise(rows[:, column], left, width)
            block[:, n_features:end] = (steps - self.bin_means_) / self.bin_scales_
            missing = np.isnan(rows)
            if missing.any():
                block[:, :n_features][missing] = 0
                block[:, n_features:end][missing[:, column]] = 0
            block[:, end:] = missing[:, self.missing_features_]
        return out

    def _bins(self):
        """Return the column, the left edge and the width of every bin."""
        column = np.repeat(np.arange(len(self.edges_)), [max(len(e) - 1, 0) for e in self.edges_])
        left = np.concatenate([edges[:-1] for edges in self.edges_])
        width = np.concatenate([np.diff(edges) for edges in self.edges_])
        return column, left, width

    def get_feature_names_out(self, input_features=None):
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            The names of the columns; None takes `feature_names_in_`, or "x0", "x1" and so on.

        Returns
        -------
        names : ndarray of str
            The name of each column, "name_bin_0" and so on for its bins, and "name_missing". A
            name that an earlier output has gets an underscore at its end.
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        bins = [
            f"{name}_bin_{i}"
            for name, edges in zip(names, self.edges_, strict=True)
            for i in range(len(edges) - 1)
        ]
        missing = [f"{names[j]}_missing" for j in self.missing_features_]
        unique = {}
        for name in [*names, *bins, *missing]:
            while name in unique:
                name += "_"
            unique[name] = None
        return np.array(list(unique), dtype=object)


def clip_softly(x, mean, scale):
    """Return z / sqrt(1 + (z/3)^2) of the standardised columns z, within -3 and 3."""
    with np.errstate(over="ignore"):
        z = np.clip((x - mean) / scale, -1e100, 1e100)  # whose squares are finite
    return z / np.sqrt(1 + (z / CLIP) ** 2)


def rise(x, left, width):
    """Return for each bin how far x is on the way from its left to its right edge, 0 to 1."""
    with np.errstate(over="ignore"):
        return np.clip((x - left) / width, 0, 1)


class Column(NamedTuple):
    """What `fit` learns of a column."""

    mean: float = 0.0
    scale: float = np.inf
    edges: np.ndarray = np.empty(0)
    bin_means: np.ndarray = np.empty(0)
    bin_scales: np.ndarray = np.empty(0)
    has_indicator: bool = False


def describe(column, n_bins):
    """Return the `Column` of values, NaN where missing."""
    present = ~np.isnan(column)
    x = np.clip(column[present].astype(np.float64), -LARGEST, LARGEST)
    if len(x) == 0:
        return Column()
    has_indicator = len(x) < len(column)
    size = np.abs(x).max()
    if np.ptp(x) <= 2 * np.finfo(column.dtype).eps * size:
        return Column(mean=x[0], has_indicator=has_indicator)
    mean = size * np.mean(x / size)
    deviation = np.abs(x - mean)
    largest = deviation.max()
    scale = largest * np.sqrt(np.mean((deviation / largest) ** 2))
    edges = bin_edges(x, n_bins)
    steps = rise(x[:, np.newaxis], edges[:-1], np.diff(edges))
    bin_scales = steps.shape[1] * steps.std(axis=0)
    return Column(mean, scale, edges, steps.mean(axis=0), bin_scales, has_indicator)


def bin_edges(x, n_bins):
    """Return the edges of at most `n_bins` bins."""
    if n_bins == 0:
        return np.empty(0)
    edges, counts = np.unique(x, return_counts=True)
    if len(edges) > n_bins + 1:
        frequent = counts * n_bins >= len(x)
        others = np.repeat(edges[~frequent], counts[~frequent])
        n_others = n_bins + 1 - np.count_nonzero(frequent)
        others = np.quantile(others, np.linspace(0, 1, n_others))
        edges = np.append(edges[frequent], others)
    edges = np.unique(np.clip(edges, *np.quantile(x, [TAIL, 1 - TAIL], method="nearest")))
    return edges if len(edges) > 1 else np.empty(0)
