"""What works in every version of scikit-learn, and what is there from one on."""

from importlib.util import find_spec

import pytest
from sklearn.datasets import load_iris

from sk_twolayer import TwoLayerClassifier, compatibility
from sk_twolayer.callbacks import Checkpoint, EarlyStopping, TimeLimit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)


def test_callbacks_can_be_set_where_scikit_learn_has_them():
    has_callbacks = find_spec("sklearn.callback") is not None
    assert hasattr(TwoLayerClassifier(), "set_callbacks") is has_callbacks


@pytest.mark.parametrize(
    "make",
    [lambda: Checkpoint("fit.pkl"), lambda: EarlyStopping(0.9), lambda: TimeLimit(1)],
    ids=["Checkpoint", "EarlyStopping", "TimeLimit"],
)
def test_callbacks_can_be_made_where_scikit_learn_has_them(make, monkeypatch):
    if compatibility.HAS_CALLBACKS:
        make()
    monkeypatch.setattr(compatibility, "HAS_CALLBACKS", False)
    with pytest.raises(ImportError, match=r"came with scikit-learn 1\.9, and .* is installed"):
        make()


def test_verbose_lines_are_aligned_and_complete(capsys):
    model = TwoLayerClassifier(max_iter=12, early_stopping=True, verbose=True, random_state=0)
    model.set_params(n_iter_no_change=None).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert len({len(line) for line in lines}) == 1
    words = "epoch", "loss", "training accuracy", "validation accuracy", "learning rate", " s"
    assert all(word in line for word in words for line in lines)
    assert f"{model.loss_curve_[-1]:.6f}" in lines[-1]
    assert f"{model.validation_scores_[-1]:.4f}" in lines[-1]
