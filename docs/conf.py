"""The site that `make docs` builds from the pages in this folder, the docstrings and the examples; warnings are errors.

Pages are Markdown that reads well in the repository too. What makes a site of them is in _extensions/, one thing a file:

    navigation   toctrees from the links on the index pages, links to files beside docs/
    api_links    names in code style lead to the reference
    commands     the help of every command
    mathml       formulas without a network or fonts of their own
    figures      runs figures/*.py
"""

import os
import pathlib
import sys
import tempfile

DOCS = pathlib.Path(__file__).parent
sys.path.insert(0, str(DOCS / "_extensions"))
# Examples choose algorithms as on a machine that was never tuned, and leave no plans behind.
_store = tempfile.TemporaryDirectory()
os.environ["FASTCONV_CACHE_DIR"] = _store.name

from numpydoc.xref import DEFAULT_LINKS  # noqa: E402

import fastconv  # noqa: E402

project = "fastconv"
copyright = "2026, the fastconv developers"
version = release = fastconv.__version__
html_title = f"fastconv {version}"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "api_links",
    "commands",
    "figures",
    "mathml",
    "navigation",
]
exclude_patterns = ["_build", "gallery/*.py", "**/README.rst", "sg_execution_times.rst", "**/sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "py:obj"
highlight_language = "none"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# -- the reference ---------------------------------------------------------------------------------------------------------

autosummary_generate = True
# Files of their own where names differ by case only, which some file systems do not tell apart.
autosummary_filename_map = {"fastconv.plan": "fastconv.plan-function", "fastconv.optim.chain": "fastconv.optim.chain-function"}
autodoc_typehints = "none"  # numpydoc's sections have the types
# What scikit-learn gives its estimators.
autodoc_default_options = {"exclude-members": "set_fit_request, set_score_request"}
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # but what follows
# Types of ours lead to their pages; those of Python and NumPy, whose pages need a network, to none.
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS}
numpydoc_xref_aliases |= {name: f"fastconv.{name}" for name in fastconv.__all__ if name[0].isupper()}

# -- the gallery -----------------------------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "/",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "capture_repr": (),
    "remove_config_comments": True,
    "matplotlib_animations": False,
    "image_srcset": ["2x"],
    "reset_argv": "gallery_arguments.arguments",
}

# -- the look --------------------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["fastconv.css"]
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "fastconv"},
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
}
