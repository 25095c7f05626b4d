"""The learning curves of a fit with default settings, on the standardised digits."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.display import LossCurveDisplay


def main():
    X_train, X_val, y_train, y_val = train_test_split(*load_digits(return_X_y=True), random_state=0)
    scaler = StandardScaler().fit(X_train)
    X_train, X_val = scaler.transform(X_train), scaler.transform(X_val)
    model = TwoLayerClassifier(random_state=0).fit(X_train, y_train, X_val=X_val, y_val=y_val)
    display = LossCurveDisplay.from_estimator(model)
    display.figure_.savefig(Path(__file__).with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
