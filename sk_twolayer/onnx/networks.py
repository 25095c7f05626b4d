"""Converters of the networks, and the parsers that tell transformers from predictors."""

from functools import partial

import numpy as np
from onnx import TensorProto
from onnx.helper import np_dtype_to_tensor_dtype

# skl2onnx has no public names for its parsers.
from skl2onnx import _parse, update_registered_converter, update_registered_parser
from skl2onnx.common import data_types
from skl2onnx.common.utils import check_input_and_output_numbers
from skl2onnx.common.utils_classifier import get_label_classes
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.onnx.graph import Graph

PARTS = {Pipeline: "steps", FeatureUnion: "transformer_list", ColumnTransformer: "transformers_"}
TRANSFORM = {"transform": [True, False]}
OPTIONS = {"zipmap": [True, False, "columns"], "raw_scores": [True, False], "nocl": [True, False]}
ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": "Identity"}


def is_multilabel(model):
    """Return True if the classifier was fitted on a label indicator."""
    return model.out_activation_ == "logistic" and len(model.intercepts_[1]) > 1


def onnx_labels(classes):
    """Convert labels to ONNX types: int64, also for booleans, or strings in UTF-8."""
    if all(isinstance(label, str) for label in classes):
        return np.array([label.encode() for label in classes], dtype=object)
    if classes.dtype.kind in "iubf":
        with np.errstate(invalid="ignore"):  # the comparison finds what int64 cannot hold
            labels = classes.astype(np.int64)
        if np.array_equal(labels, classes):
            return labels
    raise ValueError(f"ONNX labels must be 64-bit integers or strings, got {classes}.")


def transformers(model, transforms=False):
    """Yield the networks in a model that must transform; `transforms` says if the model must."""
    for kind, name in PARTS.items():
        if isinstance(model, kind):
            parts = getattr(model, name)
            for i, part in enumerate(parts, 1):
                is_last = kind is Pipeline and i == len(parts)
                yield from transformers(part[1], transforms or not is_last)
    if transforms and isinstance(model, (TwoLayerClassifier, TwoLayerRegressor)):
        yield model
    best = getattr(model, "best_estimator_", None)
    if transforms and best is not None and any(transformers(best, True)):
        raise ValueError(
            "skl2onnx cannot convert a search before the last step of a pipeline: export a "
            "pipeline with its best_estimator_ instead."
        )


def set_transform(scope, model):
    """Set the option ``transform=True`` of the networks in a model that must transform."""
    options = {id(network): {"transform": True} for network in transformers(model)}
    scope.options = {**(scope.options or {}), **options}  # not the user's, which they may reuse


def is_transformer(scope, model):
    """Return True if the activations are the output of a network, not its predictions."""
    return scope.get_options(model, {"transform": False})["transform"]


def parse_parts(parse, scope, model, inputs, custom_parsers=None):
    """Set the options of the networks in a model before skl2onnx parses its parts."""
    set_transform(scope, model)
    return parse(scope, model, inputs, custom_parsers)


def parse_network(parse, scope, model, inputs, custom_parsers=None):
    """Declare the output of a transformer, or leave a network that predicts to `parse`."""
    check_is_fitted(model, "coefs_")
    for operator in scope.operators.values():  # pipelines of ensembles do not pass `parse_parts`
        set_transform(scope, operator.raw_operator)
    if not is_transformer(scope, model):
        return parse(scope, model, inputs, custom_parsers)
    operator = scope.declare_local_operator(type(model).__name__, model)
    operator.inputs = inputs
    tensor = data_types.guess_tensor_type(inputs[0].type)
    operator.outputs.append(scope.declare_local_variable("variable", tensor))
    return operator.outputs


def parse_classifier(scope, model, inputs, custom_parsers=None):
    """Check the labels and the options, for clear errors, and declare the outputs."""
    onnx_labels(model.classes_)
    options = scope.get_options(model, {"zipmap": True, "nocl": False})
    if options["nocl"] and options["zipmap"] == "columns":
        raise ValueError(
            "zipmap='columns' names its outputs after the labels, which nocl=True leaves out: "
            "use only one of them."
        )
    outputs = _parse._parse_sklearn_classifier(scope, model, inputs, custom_parsers)
    if isinstance(outputs[-1].type, data_types.SequenceType):
        [zipmap] = outputs[-1].operators_outputs_  # supports float32 only
        zipmap.inputs[-1].set_type(data_types.FloatTensorType())
    return outputs


def infer_classifier_shapes(operator):
    """Set the types and the shapes of both outputs, or of the only one of a transformer."""
    if is_transformer(operator.scope_inst, operator.raw_operator):
        return infer_matrix_shape(operator)
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=2)
    model = operator.raw_operator
    labels, probabilities = operator.outputs
    shape = [operator.inputs[0].get_first_dimension(), len(model.classes_)]
    classes = onnx_labels(get_label_classes(operator.scope_inst, model))
    strings = classes.dtype == object
    label_type = data_types.StringTensorType if strings else data_types.Int64TensorType
    labels.set_type(label_type(shape if is_multilabel(model) else shape[:1]))
    probabilities.type.shape = shape


class NetworkGraph(Graph):
    """Write a network."""

    def layer(self, name, X, number, W, b):
        """Add the nodes of ``X W + b``, named as in the network's formulas."""
        W = self.constant(f"W{number}", W.astype(self.dtype))
        b = self.constant(f"b{number}", b.astype(self.dtype))
        return self.node(name, "Add", self.node(f"{name}_product", "MatMul", X, W), b)

    def activations(self, model):
        """Add the nodes of the hidden layer."""
        X = self.node("X_cast", "Cast", self.X, to=np_dtype_to_tensor_dtype(self.dtype))
        z1 = self.layer("z1", X, 1, model.coefs_[0], model.intercepts_[0])
        return self.node("a1", ACTIVATIONS[model.activation], z1)


def convert_classifier(scope, operator, container):
    """Write the network, its labels, and its probabilities or scores."""
    if is_transformer(scope, operator.raw_operator):
        return convert_matrix(scope, operator, container)
    model, graph = operator.raw_operator, NetworkGraph(scope, operator, container)
    node, constant, dtype = graph.node, graph.constant, graph.dtype
    raw_scores = container.get_options(model, {"raw_scores": False})["raw_scores"]
    W2, b2 = model.coefs_[1], model.intercepts_[1]
    scores = graph.layer("scores", graph.activations(model), 2, W2, b2)

    # The labels follow from the scores, as in `decode`: probabilities of large scores round to 1.
    if model.out_activation_ == "softmax":
        y = node("codes", "ArgMax", scores, axis=1, keepdims=0)
        p = scores if raw_scores else node("p", "Softmax", scores, axis=1)
    else:
        above = node("above", "Greater", scores, constant("zero", np.zeros(1, dtype)))
        y = node("codes", "Cast", above, to=TensorProto.INT64)
        p = scores if raw_scores else node("p", "Sigmoid", scores)
    if len(b2) == 1:  # two classes
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


def infer_matrix_shape(operator):
    """Set the type and the shape of the output of a regressor or a transformer."""
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=1)
    [y], [X], model = operator.outputs, operator.inputs, operator.raw_operator
    is_double = isinstance(X.type, data_types.DoubleTensorType)
    tensor = data_types.DoubleTensorType if is_double else data_types.FloatTensorType
    layer = 0 if is_transformer(operator.scope_inst, model) else 1
    y.set_type(tensor([X.get_first_dimension(), len(model.intercepts_[layer])]))


def convert_matrix(scope, operator, container):
    """Write the hidden layer and, of a regressor, a last layer that computes in the units of y."""
    model, graph = operator.raw_operator, NetworkGraph(scope, operator, container)
    y = graph.activations(model)
    if not is_transformer(scope, model):
        W2, b2, mean, scale = model.coefs_[1], model.intercepts_[1], model.y_mean_, model.y_scale_
        if model.out_activation_ == "exp":
            y = graph.node("y", "Exp", graph.layer("scores", y, 2, W2, b2 + np.log(scale)))
            smallest = np.full(1, np.finfo(graph.dtype).tiny, graph.dtype)
            y = graph.node("positive", "Max", y, graph.constant("smallest", smallest))
        else:
            y = graph.layer("scores", y, 2, W2 * scale, b2 * scale + mean)
    container.add_node("Identity", [y], operator.outputs[0].full_name)


update_registered_converter(
    TwoLayerClassifier,
    "TwoLayerClassifier",
    infer_classifier_shapes,
    convert_classifier,
    parser=partial(parse_network, parse_classifier),
    options=OPTIONS | TRANSFORM,
)
update_registered_converter(
    TwoLayerRegressor,
    "TwoLayerRegressor",
    infer_matrix_shape,
    convert_matrix,
    parser=partial(parse_network, _parse._parse_sklearn_simple_model),
    options=TRANSFORM,
)
for kind in PARTS:
    update_registered_parser(kind, partial(parse_parts, _parse.sklearn_parsers_map[kind]))
