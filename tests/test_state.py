"""The training state as a value: copies of all or some features, and plain data."""

import copy
import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from estimator_state import equal
from numpy.testing import assert_allclose, assert_array_equal

from sk_twolayer.missed_updates import MissedUpdates
from sk_twolayer.optimizers import SGD
from sk_twolayer.parameters import n_parameters
from sk_twolayer.state import History, TrainingState

SHAPE = (5, 3, 2)


def make_state(n_moments=2, dtype=float, seed=0):
    """Return a state in which no attribute has its default value."""
    rng = np.random.RandomState(seed)
    vectors = list(rng.standard_normal((2 + n_moments, n_parameters(*SHAPE))).astype(dtype))
    sgd, missed = SGD(np.zeros(0), momentum=0.5), MissedUpdates(SHAPE[0])
    for rows in ([0, 3], [3]):
        missed.advance(np.array(rows), sgd.idle_map(0.1, 0.5)[0], sgd)
    missed.products = rng.standard_normal(3)
    return TrainingState(
        SHAPE,
        vectors[0],
        "adam",
        moments=vectors[2:],
        n_moment_updates=7,
        missed=missed,
        rate=0.05,
        base_rate=0.08,
        initial_rate=0.1,
        asked_rate="auto",
        first_layer=0.5,
        position=6,
        generator=rng.get_state(),
        class_counts=np.array([3.0, 4.0]),
        split_seed=9,
        history=History([0.3, 0.2], [0.25], [0.5], [0.4], [0.6], n_forgotten=3),
        n_epochs=1,
        epochs_without_progress=1,
        best=0.6,
        best_parameters=vectors[1],
        under_way=True,
    )


def arrays_and_lists(state):
    """Return the arrays and lists of a state, except for the tables, which are never written to."""
    lists = [value for value in vars(state.history).values() if isinstance(value, list)]
    return [*state.vectors, state.best_parameters, state.missed.seen, *lists]


def change_one_thing(state, name):
    """Return a copy that differs in one attribute, and there in one number if possible."""
    other, value = state.copy(), getattr(state, name)
    if name == "missed":
        other.missed.seen[1] += 1
        return other
    if name == "history":
        other.history.losses[0] += 1e-9
        return other
    if name == "moments":
        other.moments[-1][-1] += 1e-9
        return other
    if name == "generator":
        key = value[1].copy()
        key[-1] ^= 1
        return replace(other, generator=(value[0], key, *value[2:]))
    if isinstance(value, np.ndarray):
        changed = value.copy()
        changed[-1] = np.nextafter(changed[-1], 9)
        return replace(other, **{name: changed})
    changed = {str: "other", tuple: (5, 3, 9)}.get(type(value)) or value + 1
    return replace(other, **{name: changed})


NAMES = [item.name for item in fields(TrainingState)]


def test_no_attribute_of_the_example_has_its_default_value():
    made, default = make_state(), TrainingState.start(SHAPE, "sgd", float)
    same = [name for name in NAMES if equal(getattr(made, name), getattr(default, name))]
    assert same == ["shape"]


def test_a_new_state_is_zero():
    state = TrainingState.start(SHAPE, "adam", np.float32)
    assert [vector.dtype for vector in state.vectors] == 3 * [np.float32]
    for vector in state.vectors:
        assert_array_equal(vector, np.zeros(5 * 3 + 3 * 2 + 3 + 2))
    assert (state.rate, state.missed) == (None, None)
    assert equal(state.history, History())
    assert not equal(state, TrainingState.start(SHAPE, "adam", np.float64))


def test_the_mean_squares_of_adamw_start_at_the_square_of_epsilon():
    state = TrainingState.start(SHAPE, "adamw", float, epsilon=1e-3)
    assert_array_equal(state.moments[0], np.zeros(5 * 3 + 3 * 2 + 3 + 2))
    assert_allclose(state.moments[1], np.full(5 * 3 + 3 * 2 + 3 + 2, 1e-6), rtol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_states_that_differ_in_one_number_are_not_equal(name):
    state = make_state()
    other = change_one_thing(state, name)
    assert equal(state, make_state())
    assert not equal(other, state)
    assert equal(state, make_state())  # the copy was changed, not the state


@pytest.mark.parametrize("n_forgotten", [0, 3])
def test_history_counts_the_updates_whose_losses_were_left_out(n_forgotten):
    assert History([1.0, 2.0], n_forgotten=n_forgotten).n_updates == 2 + n_forgotten


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_moments", [0, 1, 2])
def test_a_copy_is_equal_and_shares_no_array_or_list(n_moments, dtype):
    state = make_state(n_moments, dtype)
    copied = state.copy()
    assert equal(copied, state)
    assert {vector.dtype for vector in copied.vectors} == {np.dtype(dtype)}
    for mine, original in zip(arrays_and_lists(copied), arrays_and_lists(state), strict=True):
        assert mine is not original
        if isinstance(mine, np.ndarray):
            assert not np.shares_memory(mine, original)
    for changed in arrays_and_lists(copied):
        changed[0] += 1
    assert equal(state, make_state(n_moments, dtype))


@pytest.mark.parametrize("features", [[], [2], [0, 3, 4], [4, 0, 2], [0, 1, 2, 3, 4]], ids=str)
def test_a_copy_of_some_features_has_their_rows_of_W1_and_all_else(features):
    state, features = make_state(), np.array(features, dtype=np.intp)
    part = state.copy(features)
    assert part.shape == (len(features), 3, 2)
    vectors = [*part.vectors, part.best_parameters], [*state.vectors, state.best_parameters]
    for mine, whole in zip(*vectors, strict=True):
        W1, *others = part.unpack(mine)
        whole_W1, *whole_others = state.unpack(whole)
        assert_array_equal(W1, whole_W1[features])
        for array, expected in zip(others, whole_others, strict=True):
            assert_array_equal(array, expected)
        assert mine.size == n_parameters(*part.shape)
    assert_array_equal(part.missed.seen, state.missed.seen[features])
    assert part.missed.n_updates == state.missed.n_updates == 2
    sgd = SGD(np.zeros(0), momentum=0.5)
    maps = part.missed.maps(np.arange(len(features)), sgd)
    assert_array_equal(maps, state.missed.maps(features, sgd))
    others = set(NAMES) - {"shape", "parameters", "moments", "missed", "best_parameters"}
    for name in others:
        assert equal(getattr(part, name), getattr(state, name))
    for vector in part.vectors:
        vector += 1
    part.missed.seen += 1
    part.history.losses.append(1.0)
    assert equal(state, make_state())


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
        replace(make_state(), missed=None, parameters=None, generator=None, best_parameters=None),
        TrainingState.start(SHAPE, "sgd", float),
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
    assert equal(back, state)
    assert type(back.shape) is tuple
    assert type(back.history) is History
    assert type(back.missed) is (MissedUpdates if state.missed else type(None))


def test_a_shape_that_comes_back_as_a_list_is_a_tuple_again():
    state = make_state()
    back = TrainingState.from_dict(state.as_dict() | {"shape": list(SHAPE)})
    assert type(back.shape) is tuple
    assert equal(back, state)


def test_a_dictionary_holds_types_of_python_and_numpy_alone():
    """Then it can be loaded where only trusted types are loaded."""
    trusted = (np.ndarray, str, bool, int, float, tuple, list, dict, type(None))

    def check(value):
        assert type(value) in trusted
        if isinstance(value, dict | list | tuple):
            for item in value.values() if isinstance(value, dict) else value:
                check(item)

    state = make_state().as_dict()
    assert list(state) == NAMES
    check(state)
    assert type(state["missed"]) is type(state["history"]) is dict


@pytest.mark.parametrize("has_weights", [False, True])
def test_a_state_without_what_is_published_leaves_the_state_alone(has_weights):
    state = make_state()
    rest = state.without_what_is_published({"coefs_": []} if has_weights else {})
    assert equal(rest.history, History())
    assert (rest.parameters is None, rest.missed is None) == 2 * (has_weights,)
    changed = {"history": state.history}
    if has_weights:
        changed |= {"parameters": state.parameters, "missed": state.missed}
    assert equal(replace(rest, **changed), state)
    assert equal(state, make_state())
