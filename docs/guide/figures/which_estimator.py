"""A chart from the task to the estimator and the solver."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

QUESTIONS = [
    (
        "Does the order of pixels, words\nor time steps carry the meaning?",
        "a deep network\n(PyTorch, Keras)",
    ),
    ("Must each coefficient\nbe explained?", "LogisticRegression\nor Ridge"),
    (
        "Thresholds, missing values, many\ncategories, and time to fit?",
        "HistGradientBoosting;\ncompare both",
    ),
    ("Do samples arrive over time,\nor exceed the memory?", 'partial_fit,\nsolver="adamw"'),
    ("Fewer than some 500 samples\nand few hidden units?", 'try solver="lbfgs",\ntoo'),
    ("Numbers of CS231n\nor of MLPClassifier?", 'solver="sgd"\nor "adam"'),
]
LAST = 'the defaults: solver="adamw"'
ANSWER = {"boxstyle": "round,pad=0.5", "facecolor": "#fdebdd", "edgecolor": "#c8641b"}
QUESTION = {"boxstyle": "round,pad=0.5", "facecolor": "#e3eff9", "edgecolor": "#1f6fb2"}
ARROW = {"arrowstyle": "->", "color": "0.3", "shrinkA": 0, "shrinkB": 0}


def main():
    figure, ax = plt.subplots(figsize=(6, 6.6), layout="constrained")
    ax.set(xlim=(0, 10), ylim=(-0.5, len(QUESTIONS) + 0.4))
    ax.axis("off")
    for i, (question, answer) in enumerate(QUESTIONS):
        y = len(QUESTIONS) - i
        ax.text(3, y, question, ha="center", va="center", bbox=QUESTION)
        ax.text(8.3, y, answer, ha="center", va="center", bbox=ANSWER)
        ax.annotate("", (6.6, y), (5.5, y), arrowprops=ARROW)
        ax.text(6.05, y + 0.08, "yes", ha="center", fontsize="small")
        ax.annotate("", (3, y - 0.67), (3, y - 0.33), arrowprops=ARROW)
        ax.text(3.15, y - 0.53, "no", fontsize="small")
    ax.text(3, 0, LAST, ha="center", va="center", bbox=ANSWER)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
