"""The exported graph gives the results of the estimator in onnxruntime."""

import importlib
import subprocess
import sys

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import StackingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler, scale

import sk_twolayer.onnx
from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.network import compute_scores

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RAW, CODES = load_iris(return_X_y=True)
X = scale(RAW)
TARGETS = {
    "binary": (CODES > 0).astype(int),
    "multiclass": CODES + 5,
    "strings": np.array(["setosa", "versicolor", "žluťoučký"])[CODES],
    "two strings": np.array(["setosa", "other"])[(CODES > 0).astype(int)],
    "multilabel": (X[:, :3] > [-0.5, 0, 0.5]).astype(int),
}
TOLERANCES = {np.float32: 1e-5, np.float64: 1e-12}

over_kinds = pytest.mark.parametrize("kind", TARGETS)
over_dtypes = pytest.mark.parametrize("dtype", TOLERANCES)


def fit(kind="multiclass", dtype=np.float64, **options):
    options = {"hidden_size": 20, "max_iter": 20, "random_state": 0, **options}
    return TwoLayerClassifier(**options).fit(X.astype(dtype), TARGETS[kind])


def export(model, X, target_opset=None, **options):
    options = {TwoLayerClassifier: {"zipmap": False, **options}}
    graph = to_onnx(model, X[:1], target_opset=target_opset, options=options)
    onnx.checker.check_model(graph, full_check=True)
    return graph


def load(graph):
    return InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def run(model, X, **options):
    return load(export(model, X, **options)).run(None, {"X": X})


def assert_same(model, X, labels, p):
    """Assert equality with the model, and that its predictions are not all the same."""
    expected = model.predict(X)
    assert len(np.unique(expected)) > 1
    assert_array_equal(labels, expected)
    assert labels.dtype == (object if expected.dtype.kind == "U" else np.int64)
    assert p.dtype == X.dtype
    assert_allclose(p, model.predict_proba(X), rtol=0, atol=TOLERANCES[X.dtype.type])


@over_dtypes
@over_kinds
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_labels_and_probabilities_match_the_model(activation, kind, dtype):
    model = fit(kind, dtype, activation=activation)
    assert_same(model, X.astype(dtype), *run(model, X.astype(dtype)))


@over_dtypes
@over_kinds
def test_pipelines_and_searches_are_exported(kind, dtype):
    model = make_pipeline(StandardScaler(), TwoLayerClassifier(max_iter=20, random_state=0))
    rows, y = RAW.astype(dtype), TARGETS[kind]
    assert_same(model.fit(rows, y), rows, *run(model, rows))
    search = GridSearchCV(model, {"twolayerclassifier__alpha": [1e-3, 1e-2]}, cv=2).fit(rows, y)
    assert_same(search, rows, *run(search, rows))


@over_dtypes
def test_one_graph_may_hold_several_networks(dtype):
    networks = [(f"of_{i}", TwoLayerClassifier(max_iter=9, random_state=i)) for i in range(2)]
    model = StackingClassifier(networks, clone(networks[0][1]), cv=2).fit(X.astype(dtype), CODES)
    graph = to_onnx(model, X[:1].astype(dtype), options={"zipmap": False})
    assert_same(model, X.astype(dtype), *load(graph).run(None, {"X": X.astype(dtype)}))


def test_the_graph_has_the_names_of_the_formulas():
    model = fit("binary")
    graph = export(model, X).graph
    assert {"z1", "a1", "scores"} <= {name for node in graph.node for name in node.output}
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert_array_equal(weights["W1"], model.coefs_[0])
    assert_array_equal(weights["b2"], model.intercepts_[1])
    read = {name for node in graph.node for name in node.input}
    assert set(weights) <= read  # onnxruntime warns about unused initializers


@over_kinds
def test_the_outputs_have_the_declared_types_and_shapes(kind):
    session = load(export(fit(kind), X))
    declared = {output.name: (output.type, output.shape) for output in session.get_outputs()}
    n_classes = len(fit(kind).classes_)
    labels = "tensor(string)" if "strings" in kind else "tensor(int64)"
    assert declared == {
        "label": (labels, [None, n_classes] if kind == "multilabel" else [None]),
        "probabilities": ("tensor(double)", [None, n_classes]),
    }


@over_kinds
def test_a_float32_model_exported_for_float64_input_computes_in_float64(kind):
    model = fit(kind, np.float32)
    _, scores = run(model, X, raw_scores=True)
    assert scores.dtype == np.float64
    arrays = [array.astype(np.float64) for array in (*model.coefs_, *model.intercepts_)]
    expected = compute_scores(X, *arrays)
    assert_allclose(scores[:, -expected.shape[1] :], expected, rtol=0, atol=1e-12)


@over_kinds
def test_a_float64_model_exported_for_float32_input_computes_in_float32(kind):
    model = fit(kind, np.float64)
    assert_same(model, X.astype(np.float32), *run(model, X.astype(np.float32)))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_a_graph_of_integer_input_computes_in_float32(dtype):
    rows = (RAW > 3 if dtype == np.bool_ else RAW).astype(dtype)
    model = TwoLayerClassifier(max_iter=20, random_state=0).fit(rows, CODES)
    labels, p = run(model, rows)
    assert_array_equal(labels, model.predict(rows))
    assert p.dtype == np.float32
    assert_allclose(p, model.predict_proba(rows), rtol=0, atol=1e-5)


def test_a_graph_takes_any_number_of_samples():
    model = fit("binary")
    session = load(export(model, X))
    for n_rows in 1, 2, 10_000:
        rows = np.random.RandomState(n_rows).normal(size=(n_rows, 4))
        labels, p = session.run(None, {"X": rows})
        assert_array_equal(labels, model.predict(rows))
        assert_allclose(p, model.predict_proba(rows), rtol=0, atol=1e-12)


@over_dtypes
@over_kinds
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_extreme_samples_do_not_overflow(activation, kind, dtype):
    model = fit(kind, dtype, activation=activation)
    model.coefs_[1] *= 1e6
    rows = (1e6 * X).astype(dtype)
    assert np.abs(model.decision_function(rows)).max() > 1e6
    labels, p = run(model, rows)
    assert np.isfinite(p).all()
    assert_same(model, rows, labels, p)


@pytest.mark.parametrize(
    ("kind", "scores", "label"),
    [
        ("binary", [1e-20], 1),
        ("binary", [-1e-20], 0),
        ("binary", [0], 0),
        ("multiclass", [0, 1e-20, 0], 6),
        ("multiclass", [0, 0, 0], 5),
        ("multiclass", [-1, 800, 801], 7),
        ("multilabel", [1e-20, -1e-20, 0], [1, 0, 0]),
    ],
)
@over_dtypes
def test_labels_follow_from_the_scores(kind, scores, label, dtype):
    model = fit(kind, dtype)
    model.coefs_[1][:] = 0
    model.intercepts_[1][:] = scores
    rows = X[:2].astype(dtype)
    assert_array_equal(model.predict(rows), [label, label])
    assert_array_equal(run(model, rows)[0], [label, label])


@pytest.mark.parametrize("target_opset", [9, 12, 13, 18, None])
@over_kinds
def test_old_and_new_opsets_give_the_same_results(kind, target_opset):
    model = fit(kind)
    assert_same(model, X, *run(model, X, target_opset=target_opset))


# Labels.


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (np.array(["b", "a", "c"], dtype=object), ["b", "a", "c"]),
        (np.array([2**40, -(2**40), 0]), [2**40, -(2**40), 0]),
        (np.array([3, 200, 7], dtype=np.uint8), [3, 200, 7]),
        (np.array([2.0, -1.0, 5.0]), [2, -1, 5]),
        (np.array([True, False, False]), [1, 0, 0]),
    ],
    ids=lambda values: getattr(values, "dtype", ""),
)
@pytest.mark.parametrize("zipmap", [True, False])
def test_labels_of_all_kinds_become_integers_or_strings(classes, expected, zipmap):
    model = TwoLayerClassifier(max_iter=20, random_state=0).fit(X, classes[CODES])
    labels, p = run(model, X, zipmap=zipmap)
    number = np.searchsorted(model.classes_, model.predict(X))
    expected = np.array(sorted(set(expected)), dtype=object)
    assert_array_equal(labels, expected[number])
    assert labels.dtype == (object if isinstance(expected[0], str) else np.int64)
    if zipmap:
        assert list(p[0]) == list(expected)


@pytest.mark.parametrize(
    "classes",
    [
        np.array([0, 1, 2**64 - 1], dtype=np.uint64),
        np.array([0, 1e300]),
        np.array(["2001-01-01", "2002-02-02"], dtype="datetime64[D]"),
    ],
    ids=lambda classes: str(classes.dtype),
)
@pytest.mark.parametrize("zipmap", [True, False])
def test_labels_without_an_onnx_type_raise(classes, zipmap):
    model = fit("multiclass" if len(classes) == 3 else "binary")
    model.classes_ = classes
    with pytest.raises(ValueError, match="ONNX labels must be 64-bit integers or strings"):
        export(model, X, zipmap=zipmap)


# Options.


@over_dtypes
@over_kinds
def test_probabilities_are_dictionaries_by_default(kind, dtype):
    model = fit(kind, dtype)
    rows = X.astype(dtype)
    graph = to_onnx(model, rows[:1])
    onnx.checker.check_model(graph, full_check=True)
    session = load(graph)
    shape = [None, len(model.classes_)] if kind == "multilabel" else [None]
    assert [output.shape for output in session.get_outputs()] == [shape, []]
    labels, dictionaries = session.run(None, {"X": rows})
    assert_array_equal(labels, model.predict(rows))
    assert list(dictionaries[0]) == list(model.classes_)
    p = [list(of_row.values()) for of_row in dictionaries]
    assert_allclose(p, model.predict_proba(rows), rtol=0, atol=1e-5)


def test_labels_beside_dictionaries_are_computed_in_float64():
    model = fit("binary", activation="identity")
    # float32 cannot distinguish the score from zero at this scale.
    model.coefs_[0][:], model.coefs_[1][:] = 0, 1
    model.coefs_[0][:, 0] = 1
    model.intercepts_[0][:], model.intercepts_[1][:] = 0, -1e8
    rows = np.array([[1e8, 0.5, 0, 0], [1e8, -0.5, 0, 0]])
    labels, _ = run(model, rows, zipmap=True)
    assert_array_equal(labels, [1, 0])


@over_dtypes
@over_kinds
def test_zipmap_columns_gives_one_output_per_class(kind, dtype):
    model = fit(kind, dtype)
    session = load(export(model, X.astype(dtype), zipmap="columns"))
    prefix = "s" if "strings" in kind else "i"
    names = ["output_label", *(f"{prefix}{label}" for label in model.classes_)]
    assert [output.name for output in session.get_outputs()] == names
    labels, *columns = session.run(None, {"X": X.astype(dtype)})
    assert_same(model, X.astype(dtype), labels, np.column_stack(columns))


@over_dtypes
@over_kinds
def test_raw_scores_equal_the_decision_function(kind, dtype):
    model = fit(kind, dtype)
    rows = X.astype(dtype)
    labels, scores = run(model, rows, raw_scores=True)
    assert_array_equal(labels, model.predict(rows))
    expected = model.decision_function(rows)
    if expected.ndim == 1:
        expected = np.column_stack([-expected, expected])
    assert_allclose(scores, expected, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


@pytest.mark.parametrize("zipmap", [True, False])
def test_nocl_gives_class_indices(zipmap):
    model = fit("strings")
    labels, p = run(model, X, nocl=True, zipmap=zipmap)
    assert_array_equal(model.classes_[labels], model.predict(X))
    assert list(p[0]) == [0, 1, 2] if zipmap else p.shape == (150, 3)
    with pytest.raises(ValueError, match="zipmap='columns' names its outputs after the labels"):
        export(model, X, nocl=True, zipmap="columns")


def test_options_may_be_given_in_all_ways_of_skl2onnx():
    model = make_pipeline(StandardScaler(), TwoLayerClassifier(max_iter=20, random_state=0))
    model.fit(RAW, CODES)
    for options in (
        {"zipmap": False},
        {id(model): {"zipmap": False}},
        {id(model[-1]): {"zipmap": False}},
        {"twolayerclassifier__zipmap": False},
    ):
        session = load(to_onnx(model, RAW[:1], options=options))
        assert_same(model, RAW, *session.run(None, {"X": RAW}))


def test_unknown_options_and_values_raise():
    model = fit()
    with pytest.raises(
        NameError, match=r"Option 'speed' not in \['nocl', 'raw_scores', 'transform'"
    ):
        export(model, X, speed="high")
    with pytest.raises(NameError, match="Option 'output_class_labels' not in"):
        export(model, X, output_class_labels=True)
    with pytest.raises(ValueError, match=r"Unexpected value \['rows'\] for option 'zipmap'"):
        export(model, X, zipmap="rows")


# Errors and packages.


@pytest.mark.parametrize(
    "model", [TwoLayerClassifier(), make_pipeline(TwoLayerClassifier())], ids=["alone", "pipeline"]
)
def test_an_unfitted_classifier_raises(model):
    with pytest.raises(NotFittedError, match="This TwoLayerClassifier instance is not fitted yet"):
        to_onnx(model, X[:1])


@pytest.mark.parametrize("missing", ["skl2onnx", "onnx"])
def test_a_missing_package_raises_an_error_that_says_how_to_install_it(missing, monkeypatch):
    monkeypatch.delitem(sys.modules, sk_twolayer.onnx.__name__)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match="pip install skl2onnx onnx") as raised:
        importlib.import_module("sk_twolayer.onnx")
    assert isinstance(raised.value.__cause__, ImportError)
    assert missing in str(raised.value.__cause__)


def test_the_package_imports_without_onnx_and_skl2onnx():
    hide = "import sys; sys.modules.update(dict.fromkeys(['onnx', 'skl2onnx', 'onnxruntime']))"
    subprocess.run([sys.executable, "-c", f"{hide}; import sk_twolayer"], check=True, timeout=120)


def test_onnxruntime_alone_serves_a_file(tmp_path):
    model = make_pipeline(StandardScaler(), TwoLayerClassifier(max_iter=20, random_state=0))
    model.fit(RAW, TARGETS["strings"])
    (tmp_path / "model.onnx").write_bytes(export(model, RAW).SerializeToString())
    np.save(tmp_path / "X.npy", RAW)
    script = (
        "import numpy as np, sys\n"
        "from onnxruntime import InferenceSession\n"
        "session = InferenceSession('model.onnx', providers=['CPUExecutionProvider'])\n"
        "labels, p = session.run(None, {'X': np.load('X.npy')})\n"
        "np.save('labels.npy', labels.astype(str)); np.save('p.npy', p)\n"
        "assert not {'sk_twolayer', 'sklearn', 'skl2onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, timeout=120)
    labels, p = np.load(tmp_path / "labels.npy"), np.load(tmp_path / "p.npy")
    assert_same(model, RAW, labels.astype(object), p)


# Regression.

CONTINUOUS = {"one target": 1e3 * RAW[:, 3], "targets": RAW[:, 2:] * [1e-3, 1e3] + [5, -70]}


def fit_regressor(kind, dtype=np.float64, **options):
    model = TwoLayerRegressor(20, max_iter=20, random_state=0, **options)
    return model.fit(X[:, :2].astype(dtype), CONTINUOUS[kind])


@over_dtypes
@pytest.mark.parametrize("kind", CONTINUOUS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_predictions_match_the_regressor(activation, kind, dtype):
    model, rows = fit_regressor(kind, dtype, activation=activation), X[:, :2].astype(dtype)
    graph = to_onnx(model, rows[:1])
    onnx.checker.check_model(graph, full_check=True)
    session = load(graph)
    [declared] = session.get_outputs()
    number = "tensor(double)" if dtype == np.float64 else "tensor(float)"
    n_targets = CONTINUOUS[kind].reshape(len(X), -1).shape[1]
    assert (declared.type, declared.shape) == (number, [None, n_targets])
    [y] = session.run(None, {"X": rows})
    expected = model.predict(rows)
    assert y.dtype == dtype
    error = np.abs(y - expected.reshape(y.shape)) / model.y_scale_
    assert error.max() < 3 * TOLERANCES[dtype] * (1 + np.abs(model.y_mean_ / model.y_scale_).max())


@over_dtypes
@pytest.mark.parametrize("target_opset", [9, 12, 13, 18, None])
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "absolute_error"},
        {"loss": "quantile", "quantile": 0.1},
        {"loss": "poisson"},
    ],
    ids=lambda options: options["loss"],
)
def test_predictions_match_the_regressor_for_each_loss(options, target_opset, dtype):
    rows, Y = X[:, :2].astype(dtype), RAW[:, 2:] * [1e-3, 1e3]
    model = TwoLayerRegressor(20, max_iter=20, random_state=0, **options).fit(rows, Y)
    far = np.array([[-1e6, 1e6], [1e6, -1e6]], dtype)
    if options["loss"] == "poisson":  # in some direction, each mean vanishes
        model.set_params(activation="identity")
        slope = (model.coefs_[0] @ model.coefs_[1]).sum(axis=1)
        far = -1e3 * (slope / np.abs(slope).max())[np.newaxis].astype(dtype)
        assert (model.predict(far) == np.finfo(dtype).tiny).any()
    rows = np.vstack([rows, far])
    [y] = load(to_onnx(model, rows[:1], target_opset=target_opset)).run(None, {"X": rows})
    assert y.dtype == dtype
    assert_allclose(y, model.predict(rows), rtol=30 * TOLERANCES[dtype], atol=1e-7)
    assert options["loss"] != "poisson" or (y > 0).all()


def test_a_pipeline_with_a_regressor_is_exported():
    model = make_pipeline(StandardScaler(), TwoLayerRegressor(max_iter=20, random_state=0))
    model.fit(RAW[:, :3], RAW[:, 3])
    [y] = load(to_onnx(model, RAW[:1, :3])).run(None, {"X": RAW[:, :3]})
    assert_allclose(y.ravel(), model.predict(RAW[:, :3]), rtol=1e-10)


def test_an_unfitted_regressor_raises():
    with pytest.raises(NotFittedError):
        to_onnx(TwoLayerRegressor(), X[:1])


# Networks that transform.


def classifier(seed=0):
    return TwoLayerClassifier(7, max_iter=20, random_state=seed)


def regressor(seed=0):
    return TwoLayerRegressor(7, max_iter=20, random_state=seed)


def columns():
    parts = [("of two", classifier(), [0, 1]), ("scaled", StandardScaler(), slice(2, 4))]
    return ColumnTransformer([*parts, ("of one", regressor(), [3])])


STEPS = {
    "classifier": (classifier, StandardScaler),
    "regressor": (StandardScaler, regressor),
    "two": (StandardScaler, classifier, StandardScaler, regressor),
    "pipeline": (lambda: make_pipeline(StandardScaler(), make_pipeline(classifier())),),
    "union": (lambda: make_union(classifier(), regressor(), StandardScaler()),),
    "columns": (columns,),
}
LAST = {
    "classifier": lambda steps: make_pipeline(*steps, classifier(1)),
    "regressor": lambda steps: make_pipeline(*steps, regressor(1)),
    "nested": lambda steps: make_pipeline(*steps, make_pipeline(StandardScaler(), regressor(1))),
    "ensemble": lambda steps: VotingRegressor([("net", make_pipeline(*steps, regressor(1)))]),
}


@over_dtypes
@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("steps", STEPS)
def test_a_network_before_the_last_step_is_a_transformer(steps, last, dtype):
    model = LAST[last]([make() for make in STEPS[steps]])
    rows = RAW.astype(dtype)
    model.fit(rows, CODES)
    if is_classifier(model):
        assert_same(model, rows, *run(model, rows))
    else:
        [y] = load(to_onnx(model, rows[:1])).run(None, {"X": rows})
        assert len(np.unique(y)) > 9
        assert_allclose(y.ravel(), model.predict(rows), rtol=0, atol=10 * TOLERANCES[dtype])


@over_dtypes
def test_other_estimators_follow_a_network(dtype):
    rows = RAW.astype(dtype)
    model = make_pipeline(classifier(), LogisticRegression()).fit(rows, CODES)
    labels, p = load(to_onnx(model, rows[:1], options={"zipmap": False})).run(None, {"X": rows})
    assert_array_equal(labels, model.predict(rows))
    assert_allclose(p, model.predict_proba(rows), rtol=0, atol=1e-5)
    model = make_pipeline(regressor(), LinearRegression()).fit(rows, CODES)
    [y] = load(to_onnx(model, rows[:1])).run(None, {"X": rows})
    assert_allclose(y.ravel(), model.predict(rows), rtol=0, atol=10 * TOLERANCES[dtype])


@over_dtypes
@pytest.mark.parametrize("network", [classifier, regressor])
@pytest.mark.parametrize("wrap", [lambda network: network, make_pipeline, make_union])
def test_the_activations_can_be_exported(wrap, network, dtype):
    network, rows = network().fit(X.astype(dtype), CODES), X.astype(dtype)
    model = wrap(network)
    union = wrap is make_union  # always transforms
    options = {} if union else {type(network): {"transform": True}}
    graph = to_onnx(model, rows[:1], options=options)
    onnx.checker.check_model(graph, full_check=True)
    session = load(graph)
    [declared] = session.get_outputs()
    assert union or declared.shape == [None, 7]
    [a1] = session.run(None, {"X": rows})
    assert a1.dtype == dtype
    assert_allclose(a1, network.transform(rows), rtol=0, atol=10 * TOLERANCES[dtype])


def test_a_search_exports_the_activations_of_its_best_network():
    search = GridSearchCV(regressor(), {"alpha": [1e-3, 1e-2]}, cv=2).fit(X, CODES)
    options = {TwoLayerRegressor: {"transform": True}}
    [a1] = load(to_onnx(search, X[:1], options=options)).run(None, {"X": X})
    assert_allclose(a1, search.transform(X), rtol=0, atol=1e-12)


def test_a_pipeline_that_ends_in_the_network_predicts_with_the_same_options():
    model = make_pipeline(StandardScaler(), classifier(), classifier(1)).fit(RAW, CODES)
    options = {TwoLayerClassifier: {"zipmap": False}}
    for part in model, model[:-1], model, model[:-1]:
        session = load(to_onnx(part, RAW[:1], options=options))
        assert_same(part, RAW, *session.run(None, {"X": RAW}))


def test_the_user_may_name_options_of_a_network_that_transforms():
    model = make_pipeline(classifier(), regressor()).fit(X, CODES)
    for options in {TwoLayerClassifier: {"zipmap": False}}, {id(model[0]): {"zipmap": False}}:
        [y] = load(to_onnx(model, X[:1], options=options)).run(None, {"X": X})
        assert_allclose(y.ravel(), model.predict(X), rtol=0, atol=1e-11)


@pytest.mark.parametrize("wrap", [lambda network: network, make_pipeline])
def test_a_search_before_the_last_step_is_refused(wrap):
    grid = {"alpha": [0.1]} if wrap is not make_pipeline else {"twolayerregressor__alpha": [0.1]}
    search = GridSearchCV(wrap(regressor()), grid, cv=2)
    model = make_pipeline(StandardScaler(), search, LinearRegression()).fit(RAW, CODES)
    with pytest.raises(ValueError, match="with its best_estimator_ instead"):
        to_onnx(model, RAW[:1])
    model.steps[1] = ("best", search.best_estimator_)
    [y] = load(to_onnx(model, RAW[:1])).run(None, {"X": RAW})
    assert_allclose(y.ravel(), model.predict(RAW), rtol=0, atol=1e-11)
