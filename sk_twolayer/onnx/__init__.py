"""Export to ONNX, to serve a fitted network without scikit-learn, or without Python.

Importing this module registers `TwoLayerClassifier` and `TwoLayerRegressor` with skl2onnx, which
does not find them otherwise. The packages are installed by ``pip install skl2onnx onnx``, and
onnxruntime, which runs the graph, by ``pip install onnxruntime``. The graph computes in float64 if
its input is float64, and in float32 otherwise. It does not validate its input.

A regressor has one output, ``variable``: a matrix with one column per target, in the units of y.
Before the last step of a pipeline, and in a `FeatureUnion` or a `ColumnTransformer`, a network is a
transformer: its output is a matrix of the activations of the hidden units. Elsewhere the option
``transform=True`` asks for them.

A classifier supports skl2onnx's options. By default the probabilities are dictionaries, whose
values are float32 in ONNX; with ``zipmap=False`` they are a matrix, and with ``zipmap="columns"``
one output per class. ``raw_scores=True`` returns scores instead of probabilities: for two classes,
minus the score and the score. ``nocl=True`` returns class indices instead of labels.

The pipelines of `sk_twolayer.preprocessing.tabular_pipeline` convert too, and with them
scikit-learn's one-hot encoders that group levels. Each column of a data frame is an input of the
graph. `to_onnx` of this module finds the types of the inputs, whatever the dtypes of the frame. The
text "missing" stands for missing text. Dates do not convert: ONNX has none.

Examples
--------
>>> import sk_twolayer.onnx
>>> from onnxruntime import InferenceSession
>>> from skl2onnx import to_onnx
>>> from sklearn.datasets import load_iris
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from sk_twolayer import TwoLayerClassifier
>>> X, y = load_iris(return_X_y=True)
>>> model = make_pipeline(StandardScaler(), TwoLayerClassifier(random_state=0)).fit(X, y)
>>> graph = to_onnx(model, X[:1], options={TwoLayerClassifier: {"zipmap": False}})
>>> session = InferenceSession(graph.SerializeToString())
>>> labels, probabilities = session.run(None, {"X": X})
>>> bool((labels == model.predict(X)).all())
True
>>> bool(abs(probabilities - model.predict_proba(X)).max() < 1e-12)
True
"""

try:
    import onnx
    import skl2onnx
except ImportError as error:
    raise ImportError(
        "Exporting to ONNX needs skl2onnx and onnx: pip install skl2onnx onnx"
    ) from error

from sk_twolayer.onnx import networks, preprocessing
from sk_twolayer.onnx.frames import to_onnx
