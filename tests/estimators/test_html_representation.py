"""The HTML representation of an estimator, as in notebooks, explains all that it shows."""

import re

import pytest
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor

X, y = load_iris(return_X_y=True)
PAGES = "https://sk-twolayer.github.io/sk_twolayer/generated/sk_twolayer."

with_peers = pytest.mark.parametrize(
    ("estimator", "peer"),
    [(TwoLayerClassifier, MLPClassifier), (TwoLayerRegressor, MLPRegressor)],
)


def explained(model):
    """Return the parameters and fitted attributes that have a description."""
    return set(re.findall(r'class="param-doc-description"[^>]*>\s*(\w+): ', model._repr_html_()))


@with_peers
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_same_kinds_of_names_are_explained_as_in_scikit_learn(estimator, peer):
    """scikit-learn explains parameters from version 1.8 on, and fitted attributes from 1.9 on."""
    model, peer = estimator(max_iter=2), peer(max_iter=2)
    parameters = set(model.get_params()) if explained(peer) else set()
    assert explained(model) == parameters
    attributes = {name for name in vars(model.fit(X, y)) if re.fullmatch(r"[^_].*_", name)}
    assert {"coefs_", "alpha_", "max_iter_"} < attributes
    expected = parameters | attributes if "coefs_" in explained(peer.fit(X, y)) else parameters
    assert explained(model) == expected


@pytest.mark.parametrize("estimator", [TwoLayerClassifier, TwoLayerRegressor])
def test_links_lead_to_the_pages_of_this_package(estimator):
    links = re.findall(r'href="([^"]+)"', estimator()._repr_html_())
    page = f"{PAGES}{estimator.__name__}.html"
    assert page in links
    assert {link.split("#")[0] for link in links} == {page}
