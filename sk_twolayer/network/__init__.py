"""The network: its formulas, as in the notes of CS231n, on arrays of one batch.

``two_layer`` computes scores, loss and gradients; ``activations`` and ``losses`` hold the functions
that it is made of; ``parameters`` lays W1, W2, b1 and b2 out in one vector; ``dropout`` draws the
hidden units to keep. Nothing here knows estimators, data sets or optimizers.
"""

from sk_twolayer.network.activations import ACTIVATIONS, logistic
from sk_twolayer.network.dropout import Dropout
from sk_twolayer.network.losses import softmax
from sk_twolayer.network.parameters import (
    block_slices,
    blocks,
    initialize,
    n_parameters,
    unpack,
)
from sk_twolayer.network.two_layer import (
    TwoLayerNetwork,
    compute_hidden,
    compute_scores,
    multiply,
    row_chunks,
    sample_chunks,
)
