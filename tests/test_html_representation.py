"""The picture of an estimator, as notebooks show it, explains all that it shows."""

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
    """Return what has a description in the picture: parameters, and fitted attributes."""
    return set(re.findall(r'class="param-doc-description"[^>]*>\s*(\w+): ', model._repr_html_()))


@with_peers
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_all_that_is_explained_of_a_peer_is_explained(estimator, peer):
    """Parameters from scikit-learn 1.8 on, which explains those of its own; attributes from 1.9."""
    model, peer = estimator(max_iter=2), peer(max_iter=2)
    parameters = set(model.get_params()) if explained(peer) else set()
    assert explained(model) == parameters
    attributes = {name for name in vars(model.fit(X, y)) if re.fullmatch(r"[^_].*_", name)}
    assert {"coefs_", "alpha_", "max_iter_"} < attributes
    expected = parameters | attributes if "coefs_" in explained(peer.fit(X, y)) else parameters
    assert explained(model) == expected


@pytest.mark.parametrize("estimator", [TwoLayerClassifier, TwoLayerRegressor])
def test_links_lead_to_our_own_pages(estimator):
    links = re.findall(r'href="([^"]+)"', estimator()._repr_html_())
    page = f"{PAGES}{estimator.__name__}.html"
    assert page in links
    assert {link.split("#")[0] for link in links} == {page}
