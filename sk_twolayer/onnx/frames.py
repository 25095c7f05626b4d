"""Inputs of a graph from the columns of a data frame: one for each, of the type of its kind."""

import skl2onnx
from skl2onnx.common import data_types
from sklearn.pipeline import Pipeline

from sk_twolayer.preprocessing import DateParts, PiecewiseLinearEncoder, TextLevels
from sk_twolayer.preprocessing.columns import column_kind, columns_of

KINDS = {PiecewiseLinearEncoder: "number", TextLevels: "category", DateParts: "date"}
FLOAT32 = {"float32", "float[pyarrow]"}  # the names of the dtype, in lower case


def to_onnx(model, X, **options):
    """Convert a model to ONNX, as `skl2onnx.to_onnx` does, also for data frames of every kind.

    skl2onnx reads the types of the inputs from the values of the first sample, and fails on a
    missing text, on the dtypes of pandas with missing values, on Arrow and on polars. Here, the
    kinds of the columns in a fitted `tabular_pipeline` decide, and else the columns of `X`. Each
    column of `fit` is an input, a matrix with one column: of float64 for numbers and booleans, of
    float32 for columns of float32, and of strings for categories, as `TextLevels` writes them.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : data frame, or array-like of shape (n_samples, n_features)
        Samples; one is enough for a `tabular_pipeline`. An array goes to skl2onnx as it is.
    **options
        Other parameters of `skl2onnx.to_onnx`, such as `options` or `target_opset`.

    Returns
    -------
    graph : onnx.ModelProto
        The graph.

    Raises
    ------
    NotImplementedError
        If a column holds dates. The error names the column.
    ValueError
        If a column of `fit` is not in `X`.

    Examples
    --------
    >>> import pandas as pd
    >>> from onnxruntime import InferenceSession
    >>> from sk_twolayer.onnx import to_onnx
    >>> from sk_twolayer.preprocessing import TextLevels, tabular_pipeline
    >>> X = pd.DataFrame({"size": [1, 2, None, 4], "colour": [None, "red", "red", "blue"]})
    >>> model = tabular_pipeline("regressor").fit(X, [1.0, 2.0, 3.0, 4.0])
    >>> session = InferenceSession(to_onnx(model, X).SerializeToString())
    >>> colour = TextLevels().fit_transform(X[["colour"]])
    >>> [y] = session.run(None, {"size": X[["size"]].to_numpy(float), "colour": colour})
    >>> bool(abs(y[:, 0] - model.predict(X)).max() < 1e-4)
    True
    """
    if hasattr(X, "columns"):
        return skl2onnx.to_onnx(model, initial_types=input_types(model, X), **options)
    return skl2onnx.to_onnx(model, X, **options)


def input_types(model, X):
    """Return the name and the type of the input of each column, in the order of `fit`."""
    columns = dict(zip(X.columns, columns_of(X), strict=True))
    model = getattr(model, "best_estimator_", model)
    kinds, types = fitted_kinds(model), []
    for j, name in enumerate(getattr(model, "feature_names_in_", X.columns)):
        if name not in columns:
            raise ValueError(f"X lacks the column {name!r}: pass samples with the columns of fit.")
        kind = kinds.get(j) or kinds.get(name) or column_kind(columns[name])
        if kind == "date":
            raise NotImplementedError(
                f"Column {name!r} holds dates, and ONNX has no dates: write them as numbers before "
                f"the pipeline, as DateParts().fit_transform(X[[{name!r}]]) does, and fit the "
                f"pipeline on the numbers."
            )
        if kind == "category":
            tensor = data_types.StringTensorType
        elif str(columns[name].dtype).lower() in FLOAT32:
            tensor = data_types.FloatTensorType
        else:
            tensor = data_types.DoubleTensorType
        types.append((str(name), tensor([None, 1])))
    return types


def fitted_kinds(model):
    """Return the kinds of the columns that a `tabular_pipeline` has found, by their positions."""
    kinds = {}
    preprocessing = model[0] if isinstance(model, Pipeline) else model
    for _, part, columns in getattr(preprocessing, "transformers_", ()):
        part = part[0] if isinstance(part, Pipeline) else part
        if type(part) in KINDS and isinstance(columns, list):
            kinds |= dict.fromkeys(columns, KINDS[type(part)])
    return kinds
