"""The cost of an epoch on text by the number of features: the table of benchmarks/README.md."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

README = Path(__file__).parents[3] / "benchmarks" / "README.md"
SERIES = {
    "sgd": ('TwoLayerClassifier, "sgd"', "o-"),
    "adam": ('TwoLayerClassifier, "adam"', "s--"),
    "MLPClassifier": ('MLPClassifier ("adam")', "D-"),
    "its sgd": ('MLPClassifier, "sgd"', "^--"),
}


def read_table():
    """Return the exponents of the numbers of features, and {column: milliseconds}."""
    lines = README.read_text().splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith("| features | sgd |"))
    heads, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[start:])
    rows = rows[: next(i for i, row in enumerate(rows) if not row)]
    exponents = [int(row[0].removeprefix("2**")) for row in rows]
    columns = {
        head: [float(row[heads.index(head)].split()[0].replace(",", "")) for row in rows]
        for head in SERIES
    }
    return exponents, columns


def main():
    exponents, columns = read_table()
    figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for head, (label, style) in SERIES.items():
        ax.plot([2**e for e in exponents], columns[head], style, label=label)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set(xlabel="features", ylabel="milliseconds per epoch")
    ax.set_title("an epoch on 2,000 documents, 100 hidden units, one thread")
    ax.legend()
    ax.grid(alpha=0.3)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
