"""The attributes of a class for the table on top of its page, read from its docstring."""

import importlib

from numpydoc.docscrape import ClassDoc


def documented_attributes(module, name):
    """Return (name, first sentence) of each attribute that a class documents."""
    cls = getattr(importlib.import_module(module), name)
    rows = []
    for attribute in ClassDoc(cls, config={"show_class_members": False})["Attributes"]:
        sentence, period, _ = " ".join(attribute.desc).partition(". ")
        for each in attribute.name.split(", "):
            rows.append((each, sentence + period.strip()))
    return rows
