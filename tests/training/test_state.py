"""The training state as a value: copied and turned into plain data, whole or in part."""

import copy
import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from estimator_state import frozen
from numpy.testing import assert_array_equal

from sk_twolayer.network import n_parameters, unpack
from sk_twolayer.optimizers import SGD
from sk_twolayer.sparse import PendingUpdates
from sk_twolayer.training import History, TrainingState

SHAPE = (5, 3, 2)
NAMES = [item.name for item in fields(TrainingState)]


def make_state(n_moments=2, dtype=float, seed=0):
    """Return a state in which no attribute has its default value."""
    rng = np.random.RandomState(seed)
    vectors = list(rng.standard_normal((2 + n_moments, n_parameters(*SHAPE))).astype(dtype))
    sgd, pending = SGD(np.zeros(0), momentum=0.5), PendingUpdates(SHAPE[0])
    for rows in ([0, 3], [3]):
        pending.advance(np.array(rows), sgd.zero_gradient_map(0.1, 0.5)[0], sgd)
    pending.products = rng.standard_normal(3)
    return TrainingState(
        SHAPE,
        vectors[0],
        "adam",
        moments=vectors[2:],
        betas=[0.9, 0.98],
        n_moment_updates=7,
        pending=pending,
        n_updates=5,
        rate=0.05,
        base_rate=0.08,
        initial_rate=0.1,
        asked_rate="auto",
        first_layer=0.5,
        position=6,
        generator=rng.get_state(),
        class_counts=np.array([3.0, 4.0]),
        split_seed=9,
        history=History([0.3, 0.2], [0.25], [0.5], [0.4], [0.6]),
        n_epochs=1,
        epochs_without_progress=1,
        best=0.6,
        best_parameters=vectors[1],
        under_way=True,
        fingerprint=np.array([4.0, 7.0]),
        stream_start={"scales": np.array([1.0, 2.0])},
    )


def new_state():
    """Return a state before the first update."""
    return TrainingState(SHAPE, np.zeros(n_parameters(*SHAPE)), "sgd")


def content(state):
    """Return plain data that are equal only if the states are, to the last bit."""
    return frozen(state.as_dict())


def arrays_and_lists(state):
    """Return everything in a state that can be written to, but for the shared tables of maps."""
    lists = list(vars(state.history).values())
    return [*state.vectors, state.best_parameters, state.pending.seen, *lists]


def test_no_attribute_of_the_example_has_its_default_value():
    made, default = make_state().as_dict(), new_state().as_dict()
    assert [name for name in NAMES if frozen(made[name]) == frozen(default[name])] == ["shape"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_moments", [0, 1, 2])
def test_a_copy_is_equal_and_has_its_own_arrays_and_lists(n_moments, dtype):
    state = make_state(n_moments, dtype)
    copied = state.copy()
    assert content(copied) == content(state)
    assert {vector.dtype for vector in copied.vectors} == {np.dtype(dtype)}
    for mine, original in zip(arrays_and_lists(copied), arrays_and_lists(state), strict=True):
        assert mine is not original
        if isinstance(mine, np.ndarray):
            assert not np.shares_memory(mine, original)
    for changed in arrays_and_lists(copied):
        changed[0] += 1
    assert content(state) == content(make_state(n_moments, dtype))


@pytest.mark.parametrize("features", [[], [2], [0, 3, 4], [4, 0, 2], [0, 1, 2, 3, 4]], ids=str)
def test_a_copy_of_some_features_has_their_rows_and_everything_else(features):
    state, features = make_state(), np.array(features, dtype=np.intp)
    part = state.copy(features)
    assert part.shape == (len(features), 3, 2)
    vectors = [*part.vectors, part.best_parameters], [*state.vectors, state.best_parameters]
    for mine, whole in zip(*vectors, strict=True):
        W1, *others = unpack(mine, *part.shape)
        whole_W1, *whole_others = unpack(whole, *SHAPE)
        assert_array_equal(W1, whole_W1[features])
        for array, expected in zip(others, whole_others, strict=True):
            assert_array_equal(array, expected)
        assert mine.size == n_parameters(*part.shape)
    assert_array_equal(part.pending.seen, state.pending.seen[features])
    assert part.pending.n_updates == state.pending.n_updates == 2
    sgd = SGD(np.zeros(0), momentum=0.5)
    maps = part.pending.maps(np.arange(len(features)), sgd)
    assert_array_equal(maps, state.pending.maps(features, sgd))
    parts, wholes = part.as_dict(), state.as_dict()
    for name in set(NAMES) - {"shape", "parameters", "moments", "pending", "best_parameters"}:
        assert frozen(parts[name]) == frozen(wholes[name])
    for vector in part.vectors:
        vector += 1
    part.pending.seen += 1
    part.history.losses.append(1.0)
    assert content(state) == content(make_state())


def test_rows_are_views_of_the_vectors():
    state = make_state()
    for rows, vector in zip(state.rows, state.vectors, strict=True):
        assert_array_equal(rows, vector[:15].reshape(5, 3))
        assert np.shares_memory(rows, vector)


@pytest.mark.parametrize(
    "state",
    [
        make_state(),
        make_state(n_moments=0),
        make_state(dtype=np.float32),
        replace(make_state(), pending=None, parameters=None, generator=None, best_parameters=None),
        new_state(),
    ],
    ids=["all", "no moments", "float32", "parts are none", "new"],
)
@pytest.mark.parametrize(
    "there_and_back",
    [
        lambda state: TrainingState.from_dict(state.as_dict()),
        lambda state: TrainingState.from_dict(pickle.loads(pickle.dumps(state.as_dict()))),
        lambda state: pickle.loads(pickle.dumps(state)),
        copy.deepcopy,
    ],
    ids=["dictionary", "pickled dictionary", "pickle", "deepcopy"],
)
def test_round_trips(there_and_back, state):
    back = there_and_back(state)
    assert content(back) == content(state)
    assert type(back.shape) is tuple
    assert type(back.history) is History
    assert type(back.pending) is (PendingUpdates if state.pending else type(None))


def test_a_shape_that_comes_back_as_a_list_is_a_tuple_again():
    back = TrainingState.from_dict(make_state().as_dict() | {"shape": list(SHAPE)})
    assert content(back) == content(make_state())


def test_a_dictionary_holds_only_types_of_python_and_numpy():
    """A loader that trusts these types alone can load it."""
    trusted = (np.ndarray, str, bool, int, float, tuple, list, dict, type(None))

    def check(value):
        assert type(value) in trusted
        if isinstance(value, dict | list | tuple):
            for item in value.values() if isinstance(value, dict) else value:
                check(item)

    state = make_state().as_dict()
    assert list(state) == NAMES
    check(state)
    assert type(state["pending"]) is type(state["history"]) is dict


@pytest.mark.parametrize("has_weights", [False, True])
def test_what_is_published_is_left_out_and_the_state_keeps_it(has_weights):
    state = make_state()
    rest = state.without_published({"coefs_": []} if has_weights else {})
    assert rest.history == History()
    assert (rest.parameters is None, rest.pending is None) == 2 * (has_weights,)
    changed = {"history": state.history}
    if has_weights:
        changed |= {"parameters": state.parameters, "pending": state.pending}
    assert content(replace(rest, **changed)) == content(state) == content(make_state())
