"""A stream of sparse rows: trained in place, chunk by chunk, whole or not at all.

A chunk of sparse rows moves few rows of W1, and to copy all of W1 would take longer than the
training. So a chunk is trained on a copy of its own rows alone, which are put in their places when
nothing can go wrong any more; and what was there before is kept until that is done. The rows of
other features wait, and are brought up to date where they are read.
"""

import os
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

import numpy as np

from sk_twolayer import lazy
from sk_twolayer.lazy import (
    as_items,
    catch_up,
    gather_up_to_date,
    occurring_features,
    row_blocks,
)
from sk_twolayer.optimizers import OPTIMIZERS
from sk_twolayer.parameters import unpack
from sk_twolayer.state import History, TrainingState

# Held while rows of a stream are written, and while they are read: threads may predict with an
# estimator that another one trains. A process that forks waits, else the copy might never be free.
ROWS_IN_USE = Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=ROWS_IN_USE.acquire,
        after_in_parent=ROWS_IN_USE.release,
        after_in_child=ROWS_IN_USE.release,
    )


def is_stream(fitted):
    """Return whether rows of W1 may wait in these attributes of an estimator."""
    state = fitted.get("_training_state")
    return "coefs_" not in fitted and state is not None and state.missed is not None


def chunk_features(fitted, solver, alpha, X):
    """Return the features of a chunk whose rows to train alone, or None for all."""
    if not is_stream(fitted) or fitted["_training_state"].solver != solver:
        return None
    if alpha and fitted["_training_state"].missed.products is None:
        return None  # the penalty needs a look at all rows
    features = occurring_features(X)
    return features.astype(np.intp) if len(features) < X.shape[1] // 2 else None


def take_up_state(fitted, shape, solver, epsilon, dtype, rows_may_wait, features=None):
    """Return a copy of the state that the attributes of an estimator hold.

    Parameters
    ----------
    fitted : dict
        The attributes.
    shape : tuple of three int
        Of the network as the hyper-parameters have it, which must be that of the attributes.
    solver : str
        Moments go on where it is the same as before, and start anew where it is not.
    epsilon : float
        What those of "adamw" start from.
    dtype : dtype
        Of the copy.
    rows_may_wait : bool
        Whether rows that wait may go on waiting.
    features : ndarray of intp, default=None
        Those whose rows to copy; None copies all.

    Returns
    -------
    state : TrainingState
    """
    b1, b2 = fitted["intercepts_"]
    if shape[1] != len(b1):
        raise ValueError(
            f"hidden_size={shape[1]}, but the network to go on with has {len(b1)} hidden units. "
            f"Set it back, or fit anew with warm_start=False."
        )
    earlier = fitted["_training_state"]
    goes_on = earlier is not None and earlier.solver == solver
    if is_stream(fitted):
        with ROWS_IN_USE:
            own = earlier.parameters.flags.writeable
            if own and earlier.missed.n_updates >= lazy.MOST_MISSED:
                catch_up_all(earlier)  # which bounds the maps
            state = earlier.copy(features)
    else:
        arrays = [*fitted["coefs_"], b1, b2]
        parameters = np.concatenate([array.ravel() for array in arrays], dtype=dtype)
        state = TrainingState(shape, parameters, solver)
        if goes_on:
            with ROWS_IN_USE:
                before = earlier.copy()
            if before.missed is not None:
                catch_up_all(before)
            state.moments, state.n_moment_updates = before.moments, before.n_moment_updates
    if state.missed is not None and not (rows_may_wait and goes_on):
        catch_up_all(state)
        state.missed = None
    if not goes_on:
        state = TrainingState(shape, state.parameters.astype(dtype, copy=False), solver)
        state.start_moments(epsilon)
    *_, own_b1, own_b2 = unpack(state.parameters, *state.shape)
    own_b1[:], own_b2[:] = b1, b2
    state.history = History.of(fitted)
    return state


def read_weights(model, features=None):
    """Read W1 and W2 where another thread may be training.

    Parameters
    ----------
    model : TwoLayerClassifier
        Fitted.
    features : ndarray of int, default=None
        Those whose rows of W1 to read; None reads all.

    Returns
    -------
    fitted : dict
        The attributes of the estimator that belong to these weights.
    coefs : list of ndarray
        W1 and W2. Rows that waited for their updates are up to date.
    """
    with ROWS_IN_USE:
        fitted = dict(vars(model))
        if not is_stream(fitted):
            W1, W2 = fitted["coefs_"]
            return fitted, [W1 if features is None else W1[features], W2]
        state = fitted["_training_state"]
        chosen = np.arange(state.shape[0]) if features is None else features
        optimizer, (_, W2, _, _) = OPTIMIZERS[state.solver], unpack(state.parameters, *state.shape)
        W1 = gather_up_to_date(state.rows, state.missed, optimizer, chosen)
        return fitted, [W1, W2.copy()]


class WeightsUpToDate:
    """The attribute `coefs_` of an estimator: an ordinary one, but made when a stream is read."""

    def __get__(self, model, owner):
        if model is None or not is_stream(vars(model)):
            raise AttributeError(f"{owner.__name__!r} object has no attribute 'coefs_'")
        fitted, coefs = read_weights(model)
        # From now on they are what the network is, as whoever has them may change them.
        with ROWS_IN_USE:
            if fitted["_training_state"] is vars(model)["_training_state"]:
                vars(model)["coefs_"] = coefs
        return coefs


@contextmanager
def put_in_place(fitted, call):
    """Put a trained chunk's rows into their stream; take that back if anything goes wrong.

    Parameters
    ----------
    fitted : dict
        Attributes of the estimator before the call.
    call : Call
        Trained.

    Yields
    ------
    state : TrainingState
        That of all features. What is done with it must be done before the context ends.
    """
    if call.features is None:
        yield call.state
        return
    with ROWS_IN_USE:
        stream = fitted["_training_state"]
        if not stream.parameters.flags.writeable:  # the arrays are those of a copy, too
            stream = stream.copy()
        missed = call.state.missed.copy()
        exchange_rows(stream, call.features, call.state)
        missed.seen = stream.missed.seen
        try:
            yield replace(
                call.state,
                shape=stream.shape,
                parameters=stream.parameters,
                moments=stream.moments,
                missed=missed,
            )
        except BaseException:
            exchange_rows(stream, call.features, call.state)
            raise


def exchange_rows(stream, features, part):
    """Let the rows of some features, and all that is not rows, change places between two states.

    To do so twice changes nothing.

    Parameters
    ----------
    stream : TrainingState
        Of all features.
    features : ndarray of intp of shape (n,)
        Some of them, each once.
    part : TrainingState
        Of these features alone, in this order.
    """
    # All room is made first: memory that runs out must not leave half of an exchange.
    pairs = []
    for vector, part_vector in zip(stream.vectors, part.vectors, strict=True):
        W1, part_W1 = stream.unpack(vector)[0], part.unpack(part_vector)[0]
        rows, part_rows = as_items(W1), as_items(part_W1)
        for block in row_blocks(part_W1):
            pairs.append((rows, features[block], part_rows[block]))
        rest, part_rest = vector[W1.size :], part_vector[part_W1.size :]
        pairs.append((rest, np.arange(len(rest)), part_rest))
    pairs.append((stream.missed.seen, features, part.missed.seen))
    room = np.empty(max(part_values.nbytes for *_, part_values in pairs), np.uint8)
    for values, at, part_values in pairs:
        kept = room[: part_values.nbytes].view(part_values.dtype)
        kept[:] = part_values
        np.take(values, at, out=part_values, mode="clip")
        values[at] = kept


def catch_up_all(state):
    """Bring all rows up to date, in place."""
    missed = state.missed
    catch_up(state.rows, missed, OPTIMIZERS[state.solver])
    missed.forget()
