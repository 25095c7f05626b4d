"""How Sphinx builds the site: what each page is made of, and that no page needs a network.

The pages ask nobody but their own server: formulas are MathML, which browsers draw themselves, the
one font is shipped, and references to scikit-learn are made by rule rather than by its inventory.
"""

import json
import os
import sys
from pathlib import Path

# Figures are drawn without a display, and small products of matrices are quickest on one thread.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "extensions"))

import sk_twolayer

project = "sk_twolayer"
author = copyright = "The sk_twolayer developers"
version = release = sk_twolayer.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "myst_parser",  # CHANGELOG.md and CONTRIBUTING.md are Markdown
    "attribute_table",
    "code_captions",
    "mathml",
    "scikit_learn_links",
]
exclude_patterns = ["_build", "_templates", "gallery", "extensions"]
templates_path = ["_templates"]
default_role = "literal"  # as numpydoc has it: `alpha` is code
smartquotes = False  # values are quoted as in code, and the picture of an estimator links to them

# API: a page for each name, which api.rst lists.
autosummary_generate = True
toc_object_entries_show_parents = "hide"
add_function_parentheses = False  # they break names in the narrow list of a page's contents
numpydoc_show_class_members = False  # the page has the methods themselves

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",  # others are shown with the pictures that they once made
    "within_subsection_order": "gallery_order.position",
    "minigallery_sort_order": "gallery_order.position",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sk_twolayer",),
    "reference_url": {"sk_twolayer": None},
    "image_srcset": ["2x"],
    "capture_repr": (),
    "remove_config_comments": True,
    "write_computation_times": False,
    "min_reported_time": 3600,
    "show_signature": False,
    "download_all_examples": False,
    "abort_on_example_error": True,
}

# What is copied is code, without prompts and output. "..." alone is the empty line after a block.
copybutton_prompt_text = r">>> |\.\.\.(?: |$)"
copybutton_prompt_is_regexp = True

myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "sk_twolayer"
html_baseurl = "https://sk-twolayer.github.io/sk_twolayer/"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
estimators = (sk_twolayer.TwoLayerClassifier(), sk_twolayer.TwoLayerRegressor())
parameters = json.dumps(sorted({name for each in estimators for name in each.get_params()}))
html_js_files = [(None, {"body": f"const PARAMETERS = {parameters};"})]
html_search_scorer = str(Path(__file__).parent / "_static" / "scorer.js")
html_favicon = "_static/logo.svg"
html_copy_source = html_show_sourcelink = False
html_use_index = html_domain_indices = False  # api.rst is the list of names
html_context = {
    "default_mode": "auto",  # light or dark, as the reader's system is
    "github_user": "sk-twolayer",
    "github_repo": "sk_twolayer",
    "github_version": "main",
    "doc_path": "docs",
}
html_sidebars = {name: [] for name in ("index", "changelog", "contributing")}
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
        "text": f"{project} {version}",
    },
    "github_url": "https://github.com/sk-twolayer/sk_twolayer",
    "use_edit_page_button": True,
    "secondary_sidebar_items": {  # elsewhere, as in the gallery, the room is the page's
        "guide/*": ["page-toc", "edit-this-page"],  # other pages are made from other files
        **{name: ["page-toc"] for name in ("generated/*", "changelog", "contributing")},
    },
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
    "show_toc_level": 2,
}
