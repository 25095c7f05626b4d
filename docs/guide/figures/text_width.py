"""The cost of an epoch on text by the number of features: the table of benchmarks/README.md."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

README = Path(__file__).parents[3] / "benchmarks" / "README.md"
SERIES = {
    "ours (AdamW)": ('TwoLayerClassifier, "adamw"', "o-"),
    "ours, sgd": ('TwoLayerClassifier, "sgd"', "s--"),
    "MLPClassifier": ("MLPClassifier", "D-"),
}


def read_table():
    """Return {column: (numbers of features, milliseconds)}."""
    lines = README.read_text().splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith("| features | ours (AdamW)"))
    heads, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[start:])
    rows = rows[: next(i for i, row in enumerate(rows) if not row)]
    columns = {}
    for head in SERIES:
        cells = [(row[0], row[heads.index(head)].replace(",", "")) for row in rows]
        points = [
            (2 ** int(power.strip("`").removeprefix("2**")), float(milliseconds))
            for power, milliseconds in cells
            if milliseconds != "not measured"
        ]
        columns[head] = zip(*points, strict=True)
    return columns


def main():
    columns = read_table()
    figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
    for head, (label, style) in SERIES.items():
        ax.plot(*columns[head], style, label=label)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set(xlabel="features", ylabel="milliseconds per epoch")
    ax.set_title("an epoch on 2,000 documents, 100 hidden units, one thread")
    ax.legend()
    ax.grid(alpha=0.3)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
