"""Nodes of an ONNX graph, and their unique names."""

import numpy as np
from onnx.helper import np_dtype_to_tensor_dtype
from skl2onnx.common import data_types


class Graph:
    """Write nodes into a graph that computes in the dtype of its input."""

    def __init__(self, scope, operator, container):
        self.scope, self.container, self.X = scope, container, operator.inputs[0].full_name
        is_double = isinstance(operator.inputs[0].type, data_types.DoubleTensorType)
        self.dtype = np.dtype(np.float64 if is_double else np.float32)

    def constant(self, name, array):
        """Add an array, and return its unique name, which starts with `name`."""
        name = self.scope.get_unique_variable_name(name)
        tensor_type = np_dtype_to_tensor_dtype(array.dtype)
        self.container.add_initializer(name, tensor_type, array.shape, array.ravel())
        return name

    def node(self, name, op_type, *inputs, **attributes):
        """Add a node, and return the unique name of its output, which starts with `name`."""
        name = self.scope.get_unique_variable_name(name)
        self.container.add_node(op_type, list(inputs), name, name=name, **attributes)
        return name
