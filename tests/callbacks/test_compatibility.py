"""What works with every version of scikit-learn, and what needs version 1.9."""

import subprocess
import sys

import pytest
from sklearn.datasets import load_iris

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.callbacks import Checkpoint, EarlyStopping, TimeLimit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)


@pytest.mark.callbacks
def test_callbacks_can_be_set():
    callbacks = [Checkpoint("fit.pkl"), EarlyStopping(0.9), TimeLimit(1)]
    assert TwoLayerClassifier().set_callbacks(*callbacks)._skl_callbacks == callbacks


WITHOUT_CALLBACKS = """
from sklearn import metrics, model_selection, neural_network
from sklearn.datasets import load_iris

try:
    import sklearn.callback
except ImportError:
    pass
else:  # the modules above have imported it; to others, scikit-learn looks like an older version
    del sklearn.callback.CallbackSupportMixin

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.callbacks import Checkpoint, EarlyStopping, TimeLimit

model = TwoLayerClassifier(max_iter=2, verbose=True).fit(*load_iris(return_X_y=True))
print(hasattr(model, "set_callbacks"))
try:
    model.set_callbacks()
except AttributeError as error:
    print(error)
for callback, argument in ((Checkpoint, "fit.pkl"), (EarlyStopping, 0.9), (TimeLimit, 1)):
    try:
        callback(argument)
    except ImportError as error:
        print(error)
"""


def test_without_callbacks_the_package_works_and_refuses_them():
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_CALLBACKS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    *epochs, has_callbacks, set_callbacks, checkpoint, early_stopping, time_limit = (
        done.stdout.splitlines()
    )
    assert len(epochs) == 2
    assert has_callbacks == "False"
    assert "'set_callbacks': callbacks came with scikit-learn 1.9, and " in set_callbacks
    for name, printed in (
        ("Checkpoint", checkpoint),
        ("EarlyStopping", early_stopping),
        ("TimeLimit", time_limit),
    ):
        assert printed.startswith(f"{name} is a callback, which came with scikit-learn 1.9, and ")


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
