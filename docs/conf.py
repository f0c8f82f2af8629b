"""Settings of the documentation; `nox -s docs` builds it, warnings being errors."""

from __future__ import annotations

import sockio

project = "sockio"
author = "the sockio authors"
copyright = "2026, the sockio authors"
version = release = sockio.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# The reference has pages about helpers for these; what they are is of no interest to it.
autodoc_mock_imports = ["bottle", "flask", "pyramid", "pytest"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = f"sockio {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
# The theme's own for dark pages underlines names as if they were links.
pygments_dark_style = "github-dark"
