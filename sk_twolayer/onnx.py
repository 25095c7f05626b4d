"""Export to ONNX, to serve a fitted network where there is no scikit-learn, or no Python.

Importing this module registers `TwoLayerClassifier` with skl2onnx, alone or at the end of a
pipeline. The graph computes in float64 if it is to take that, and otherwise in float32;
it does not check its input, as the estimator does.

skl2onnx's options for classifiers are understood: with ``zipmap=False`` the probabilities
are a matrix, with ``zipmap="columns"`` an output per class, and by default dictionaries,
whose values ONNX has in float32 only; ``raw_scores=True`` leaves the scores as they are,
of which two classes have minus the score and the score; ``nocl=True`` numbers the classes.

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

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sk_twolayer.classifier import TwoLayerClassifier

try:
    from onnx import TensorProto
    from onnx.helper import np_dtype_to_tensor_dtype
    from skl2onnx import update_registered_converter

    # The parser of classifiers, with all their options, has no public name. Left to choose it by
    # itself, skl2onnx uses it before `parse` could refuse what it fails at.
    from skl2onnx._parse import _parse_sklearn_classifier
    from skl2onnx.common import data_types
    from skl2onnx.common.utils import check_input_and_output_numbers
    from skl2onnx.common.utils_classifier import get_label_classes
except ImportError as error:
    raise ImportError(
        'Exporting to ONNX needs skl2onnx and onnx: pip install "sk_twolayer[onnx]"'
    ) from error

OPTIONS = {"zipmap": [True, False, "columns"], "raw_scores": [True, False], "nocl": [True, False]}
ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": "Identity"}


def is_multilabel(model):
    """Return whether the classifier was fitted on a label indicator."""
    return model.out_activation_ == "logistic" and len(model.intercepts_[1]) > 1


def onnx_labels(classes):
    """Return the labels as ONNX has them: int64 (for booleans too), or strings in UTF-8."""
    if all(isinstance(label, str) for label in classes):
        return np.array([label.encode() for label in classes], dtype=object)
    if classes.dtype.kind in "iubf":
        with np.errstate(invalid="ignore"):  # what int64 cannot hold is found below
            labels = classes.astype(np.int64)
        if np.array_equal(labels, classes):
            return labels
    raise ValueError(f"The labels are {classes}: those of ONNX are 64-bit integers or strings.")


def parse(scope, model, inputs, custom_parsers=None):
    """Declare the outputs, after refusing what skl2onnx would fail at without a clear error."""
    check_is_fitted(model, "coefs_")
    onnx_labels(model.classes_)
    options = scope.get_options(model, {"zipmap": True, "nocl": False})
    if options["nocl"] and options["zipmap"] == "columns":
        raise ValueError("nocl=True leaves no names for the outputs of zipmap='columns'.")
    outputs = _parse_sklearn_classifier(scope, model, inputs, custom_parsers)
    if isinstance(outputs[-1].type, data_types.SequenceType):
        [zipmap] = outputs[-1].operators_outputs_  # makes dictionaries of float32 only
        zipmap.inputs[-1].set_type(data_types.FloatTensorType())
    return outputs


def infer_shapes(operator):
    """Set the types and shapes of the two outputs."""
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=2)
    model = operator.raw_operator
    labels, probabilities = operator.outputs
    shape = [operator.inputs[0].get_first_dimension(), len(model.classes_)]
    classes = onnx_labels(get_label_classes(operator.scope_inst, model))
    strings = classes.dtype == object
    label_type = data_types.StringTensorType if strings else data_types.Int64TensorType
    labels.set_type(label_type(shape if is_multilabel(model) else shape[:1]))
    probabilities.type.shape = shape


def convert(scope, operator, container):
    """Write the network as nodes of the graph, under the names of its formulas."""
    model = operator.raw_operator
    is_double = isinstance(operator.inputs[0].type, data_types.DoubleTensorType)
    dtype = np.dtype(np.float64 if is_double else np.float32)
    raw_scores = container.get_options(model, {"raw_scores": False})["raw_scores"]

    def constant(name, array):
        name = scope.get_unique_variable_name(name)
        tensor_type = np_dtype_to_tensor_dtype(array.dtype)
        container.add_initializer(name, tensor_type, array.shape, array.ravel())
        return name

    def node(name, op_type, *inputs, **attributes):
        name = scope.get_unique_variable_name(name)
        container.add_node(op_type, list(inputs), name, name=name, **attributes)
        return name

    W1, W2 = (constant(f"W{i}", W.astype(dtype)) for i, W in enumerate(model.coefs_, 1))
    b1, b2 = (constant(f"b{i}", b.astype(dtype)) for i, b in enumerate(model.intercepts_, 1))
    X = node("X_cast", "Cast", operator.inputs[0].full_name, to=np_dtype_to_tensor_dtype(dtype))
    z1 = node("z1", "Add", node("X_W1", "MatMul", X, W1), b1)
    a1 = node("a1", ACTIVATIONS[model.activation], z1)
    scores = node("scores", "Add", node("a1_W2", "MatMul", a1, W2), b2)

    # Labels come from the scores, as in `decode`: the probabilities of large ones round to 1.
    if model.out_activation_ == "softmax":
        y = node("codes", "ArgMax", scores, axis=1, keepdims=0)
        p = scores if raw_scores else node("p", "Softmax", scores, axis=1)
    else:
        above = node("above", "Greater", scores, constant("zero", np.zeros(1, dtype)))
        y = node("codes", "Cast", above, to=TensorProto.INT64)
        p = scores if raw_scores else node("p", "Sigmoid", scores)
    if len(model.intercepts_[1]) == 1:  # two classes
        y = node("flat", "Reshape", y, constant("length", np.array([-1], np.int64)))
        if raw_scores:
            first = node("first", "Neg", p)
        else:
            first = node("first", "Sub", constant("one", np.ones(1, dtype)), p)
        p = node("both", "Concat", first, p, axis=1)
    if not is_multilabel(model):
        classes = constant("classes", onnx_labels(get_label_classes(scope, model)))
        y = node("y", "Gather", classes, y)

    labels, probabilities = operator.outputs
    container.add_node("Identity", [y], labels.full_name)
    to = data_types.guess_proto_type(probabilities.type)
    container.add_node("Cast", [p], probabilities.full_name, to=to)


update_registered_converter(
    TwoLayerClassifier, "TwoLayerClassifier", infer_shapes, convert, parser=parse, options=OPTIONS
)
