"""Exact training on sparse samples, at the cost of their non-zeros.

A batch of texts has some thousand of a vocabulary's million words. ``lazy_network`` trains only the
rows of W1 whose features occur in the batch. ``lazy_updates`` records the updates that are pending
for the other rows, and applies them exactly when a row is next read. ``stream`` keeps updates
pending between chunks, so that a call of `partial_fit` costs what its chunk costs.
"""

from sk_twolayer.sparse.lazy_network import (
    LazyNetwork,
    LazyOptimizer,
    LazyRows,
    apply_all_pending,
    keep_columns,
    occurring_features,
    read_rows,
)
from sk_twolayer.sparse.lazy_updates import PendingUpdates, inner_products
from sk_twolayer.sparse.stream import (
    STREAM_LOCK,
    CurrentWeights,
    chunk_features,
    exchanged,
    is_stream,
    read_weights,
)
