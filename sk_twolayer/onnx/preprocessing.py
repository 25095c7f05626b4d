"""Converters of the encoders in front of a network, and of one-hot encoders that group levels."""

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter

# skl2onnx has no public names for the converters that it has.
from skl2onnx.common import _registration, data_types
from sklearn.preprocessing import OneHotEncoder

from sk_twolayer.onnx.graph import Graph
from sk_twolayer.preprocessing import DateParts, PiecewiseLinearEncoder, TextLevels
from sk_twolayer.preprocessing.encoder import CLIP

FLOATS = {np.float32: data_types.FloatTensorType, np.float64: data_types.DoubleTensorType}
STRING, DOUBLE, INT64 = TensorProto.STRING, TensorProto.DOUBLE, TensorProto.INT64
INTEGERS = (data_types.Int64TensorType, data_types.Int32TensorType)


def set_shape(operator, tensor, width):
    """Set the type and the shape of the only output."""
    operator.outputs[0].set_type(tensor([operator.inputs[0].get_first_dimension(), width]))


def concatenated(graph, operator, to):
    """Add nodes that cast all inputs to one type, and join their columns."""
    inputs = [graph.node("input", "Cast", X.full_name, to=to) for X in operator.inputs]
    return graph.node("inputs", "Concat", *inputs, axis=1)


def infer_encoder_shape(operator):
    """Set the type and the shape of encoded numbers."""
    model = operator.raw_operator
    kinds = {isinstance(X.type, data_types.FloatTensorType) for X in operator.inputs}
    dtype = model.dtype or (np.float32 if kinds == {True} else np.float64)
    set_shape(operator, FLOATS[dtype], len(model.get_feature_names_out()))


def convert_encoder(scope, operator, container):
    """Write the encoding, which computes in float64 as `transform` does."""
    model, graph = operator.raw_operator, Graph(scope, operator, container)
    node = graph.node

    def constant(name, values):
        return graph.constant(name, np.asarray(values, dtype=np.float64))

    def columns_of(matrix, columns):
        return node("columns", "Gather", matrix, graph.constant("index", columns), axis=1)

    def present(values, missing):
        return node("present", "Where", missing, zero, values)

    X = concatenated(graph, operator, DOUBLE)
    missing = node("missing", "IsNaN", X)
    zero = constant("zero", 0.0)
    z = node("centred", "Sub", X, constant("mean", model.mean_))
    z = node("z", "Div", z, constant("scale", model.scale_))
    # Beyond the bounds the clipped column is as good as constant, and squares overflow.
    z = node("bounded", "Clip", z, constant("least", -1e100), constant("most", 1e100))
    third = node("third", "Div", z, constant("clip", CLIP))
    square = node("square", "Mul", third, third)
    root = node("root", "Sqrt", node("more", "Add", constant("one", 1.0), square))
    parts = [present(node("clipped", "Div", z, root), missing)]
    column, left, width = model._bins()
    if len(column):
        steps = node("above", "Sub", columns_of(X, column), constant("left", left))
        steps = node("steps", "Div", steps, constant("width", width))
        steps = node("rise", "Clip", steps, zero, constant("one", 1.0))
        steps = node("centred", "Sub", steps, constant("mean", model.bin_means_))
        steps = node("scaled", "Div", steps, constant("scale", model.bin_scales_))
        parts.append(present(steps, columns_of(missing, column)))
    if len(model.missing_features_):
        indicators = columns_of(missing, model.missing_features_)
        parts.append(node("indicators", "Cast", indicators, to=DOUBLE))
    encoded = node("encoded", "Concat", *parts, axis=1)
    to = data_types.guess_proto_type(operator.outputs[0].type)
    container.add_node("Cast", [encoded], operator.outputs[0].full_name, to=to)


def infer_levels_shape(operator):
    """Set the type and the shape of text."""
    for X in operator.inputs:
        if not isinstance(X.type, (data_types.StringTensorType, *INTEGERS)):
            raise NotImplementedError(
                f"Categories must be text or integers in ONNX, got {X.type} for {X.raw_name!r}: "
                f"declare another type in initial_types, or convert the column in the data frame."
            )
    set_shape(operator, data_types.StringTensorType, operator.raw_operator.n_features_in_)


def convert_levels(scope, operator, container):
    """Write categories as text; a text that is missing cannot be told from an empty one."""
    graph = Graph(scope, operator, container)
    levels = concatenated(graph, operator, STRING)
    container.add_node("Identity", [levels], operator.outputs[0].full_name)


def groups_levels(model):
    """Return True for one-hot encoders of text that group levels, or take unknown ones."""
    text = all(isinstance(level, str) for levels in model.categories_ for level in levels)
    groups = model.handle_unknown in ("infrequent_if_exist", "warn")
    groups = groups or model.min_frequency is not None or model.max_categories is not None
    return text and groups and model.drop is None


def level_positions(model):
    """Return for each column the positions of its levels and of unknown ones, and the width."""
    infrequent = getattr(model, "infrequent_categories_", [None] * len(model.categories_))
    for levels, grouped in zip(model.categories_, infrequent, strict=True):
        grouped = set() if grouped is None else set(grouped)
        frequent = [level for level in levels if level not in grouped]
        width = len(frequent) + bool(grouped)
        positions = {level: len(frequent) for level in levels}
        positions |= {level: i for i, level in enumerate(frequent)}
        to_group = grouped and model.handle_unknown in ("infrequent_if_exist", "warn")
        yield positions, len(frequent) if to_group else width, width


def infer_one_hot_shape(operator):
    """Set the type and the shape of one-hot columns, with one column for grouped levels."""
    model = operator.raw_operator
    if not groups_levels(model):
        return skl2onnx_one_hot_shape(operator)
    widths = [width for _, _, width in level_positions(model)]
    float_type = FLOATS.get(np.dtype(model.dtype).type, data_types.Int64TensorType)
    return set_shape(operator, float_type, sum(widths))


def convert_one_hot(scope, operator, container):
    """Write one-hot columns of text, where skl2onnx cannot: with grouped and unknown levels."""
    model, graph = operator.raw_operator, Graph(scope, operator, container)
    if not groups_levels(model):
        return skl2onnx_one_hot(scope, operator, container)
    node, constant = graph.node, graph.constant
    X, parts = concatenated(graph, operator, STRING), []
    for j, (positions, unknown, width) in enumerate(level_positions(model)):
        column = node("column", "Gather", X, constant("index", np.array(j)), axis=1)
        codes = node(
            "codes",
            "LabelEncoder",
            column,
            op_domain="ai.onnx.ml",
            op_version=2,
            keys_strings=[level.encode() for level in positions],
            values_int64s=list(positions.values()),
            default_int64=unknown,
        )
        rows = np.eye(width + 1, width, dtype=np.float32)  # the last row is of unknown levels
        parts.append(node("one_hot", "Gather", constant("rows", rows), codes, axis=0))
    one_hot = node("one_hots", "Concat", *parts, axis=1)
    to = data_types.guess_proto_type(operator.outputs[0].type)
    return container.add_node("Cast", [one_hot], operator.outputs[0].full_name, to=to)


def refuse_dates(operator):
    """Raise an error for dates."""
    model = operator.raw_operator
    names = list(getattr(model, "feature_names_in_", range(model.n_features_in_)))
    raise NotImplementedError(
        f"Columns {names} hold dates, and ONNX has no dates: write them as numbers before the "
        f"pipeline, as DateParts().fit_transform(X) does, and fit the pipeline on the numbers."
    )


skl2onnx_one_hot = _registration.get_converter("SklearnOneHotEncoder")
skl2onnx_one_hot_shape = _registration.get_shape_calculator("SklearnOneHotEncoder")
update_registered_converter(
    OneHotEncoder, "SklearnOneHotEncoder", infer_one_hot_shape, convert_one_hot, overwrite=True
)
update_registered_converter(
    PiecewiseLinearEncoder, "PiecewiseLinearEncoder", infer_encoder_shape, convert_encoder
)
update_registered_converter(TextLevels, "TextLevels", infer_levels_shape, convert_levels)
update_registered_converter(DateParts, "DateParts", refuse_dates, convert_levels)
