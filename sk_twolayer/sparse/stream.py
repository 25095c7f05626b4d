"""A stream of sparse chunks, trained in place: each chunk as a whole or not at all.

A chunk of sparse samples moves few rows of W1, and a copy of all rows would take longer than the
training. So a chunk is trained on a copy of its own rows alone. At the end they change places with
the rows in the stream, and change back if anything fails before the call has ended. Updates stay
pending for the rows of other features until these are read.
"""

import os
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

import numpy as np

from sk_twolayer.network import unpack
from sk_twolayer.optimizers import OPTIMIZERS
from sk_twolayer.sparse.lazy_network import as_items, occurring_features, read_rows, row_blocks

# Held while rows of a stream are written or read: threads may predict with an estimator that
# another one trains. A process that forks waits for it, or the lock of the child might never be
# free.
STREAM_LOCK = Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=STREAM_LOCK.acquire,
        after_in_parent=STREAM_LOCK.release,
        after_in_child=STREAM_LOCK.release,
    )


def is_stream(fitted):
    """Return True if updates may be pending in these attributes of an estimator."""
    state = fitted.get("_training_state")
    return "coefs_" not in fitted and state is not None and state.pending is not None


def chunk_features(fitted, solver, betas, alpha, X):
    """Return the features of a chunk if only their rows of W1 are to be copied, or None for all."""
    state = fitted.get("_training_state")
    if not is_stream(fitted) or (state.solver, state.betas) != (solver, betas):
        return None  # the moments of all rows change
    if alpha and state.pending.products is None:
        return None  # the penalty needs all rows
    features = occurring_features(X)
    return features.astype(np.intp) if len(features) < X.shape[1] // 2 else None


def read_weights(model, features=None):
    """Read W1 and W2 where another thread may be training.

    Parameters
    ----------
    model : estimator
        Fitted.
    features : ndarray of int, default=None
        The features whose rows of W1 are read; None reads all.

    Returns
    -------
    fitted : dict
        The attributes of the estimator that belong to these weights.
    coefs : list of ndarray
        W1 and W2, with no update pending.
    """
    with STREAM_LOCK:
        fitted = dict(vars(model))
        if not is_stream(fitted):
            W1, W2 = fitted["coefs_"]
            return fitted, [W1 if features is None else W1[features], W2]
        state = fitted["_training_state"]
        chosen = np.arange(state.shape[0]) if features is None else features
        W1 = read_rows(state.rows, state.pending, OPTIMIZERS[state.solver], chosen)
        return fitted, [W1, unpack(state.parameters, *state.shape)[1].copy()]


class CurrentWeights:
    """The attribute `coefs_` of an estimator: an ordinary one, but made when a stream is read."""

    def __get__(self, model, owner):
        attributes = {} if model is None else vars(model)
        if "coefs_" in attributes:  # another thread has read them since Python looked
            return attributes["coefs_"]
        if not is_stream(attributes):
            raise AttributeError(f"{owner.__name__!r} object has no attribute 'coefs_'")
        fitted, coefs = read_weights(model)
        # From now on they are the weights of the network, as their owner may change them. Another
        # thread may iterate over the attributes, so that they become a new dictionary.
        with STREAM_LOCK:
            if fitted["_training_state"] is vars(model)["_training_state"]:
                model.__dict__ = vars(model) | {"coefs_": coefs}
        return coefs


@contextmanager
def exchanged(stream, features, part):
    """Exchange the rows of a trained chunk with the rows of its stream, in a context.

    The exchange is undone if the context raises.

    Parameters
    ----------
    stream : TrainingState
        Of all features, before the call.
    features : ndarray of intp of shape (n,) or None
        The features of the chunk. None if `part` has all of them.
    part : TrainingState
        The chunk's, trained.

    Yields
    ------
    state : TrainingState
        Of all features, after the call. It must be published before the context ends.
    """
    if features is None:
        with STREAM_LOCK:  # another thread may read the weights, and publish them
            yield part
        return
    with STREAM_LOCK:
        if not stream.parameters.flags.writeable:  # a copy of the estimator shares the arrays
            stream = stream.copy()
        pending = part.pending.copy()
        pending.seen = stream.pending.seen
        # All memory is allocated first.
        pairs, replaced = rows_to_exchange(stream, features, part), []
        room = np.empty(max(trained.nbytes for *_, trained in pairs), np.uint8)
        try:
            for rows, at, trained in pairs:
                kept = room[: trained.nbytes].view(trained.dtype)
                kept[:] = trained
                np.take(rows, at, out=trained, mode="clip")
                replaced.append((rows, at, trained))  # which are the rows before the chunk now
                rows[at] = kept
            yield replace(
                part,
                shape=stream.shape,
                parameters=stream.parameters,
                moments=stream.moments,
                pending=pending,
            )
        except BaseException:
            for rows, at, before in replaced:
                rows[at] = before
            raise


def rows_to_exchange(stream, features, part):
    """Return what a chunk changes in a stream: rows of W1 by blocks, and everything else.

    Parameters
    ----------
    stream : TrainingState
        Of all features.
    features : ndarray of intp of shape (n,)
        Some of them, each once.
    part : TrainingState
        Of these features alone, in this order.

    Returns
    -------
    pairs : list of (rows of `stream`, indices, rows of `part`)
    """
    pairs = []
    for vector, part_vector in zip(stream.vectors, part.vectors, strict=True):
        W1, part_W1 = unpack(vector, *stream.shape)[0], unpack(part_vector, *part.shape)[0]
        rows, part_rows = as_items(W1), as_items(part_W1)
        for block in row_blocks(part_W1):
            pairs.append((rows, features[block], part_rows[block]))
        rest, part_rest = vector[W1.size :], part_vector[part_W1.size :]
        pairs.append((rest, np.arange(len(rest)), part_rest))
    pairs.append((stream.pending.seen, features, part.pending.seen))
    return pairs
