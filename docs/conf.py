project = "fastconv"
copyright = "2026, the fastconv developers"
extensions = ["myst_parser"]
myst_heading_anchors = 2
exclude_patterns = ["_build"]
html_title = "fastconv"
# The pages are for reading in the repository as well: lists of links instead of toctrees, links to files beside docs/.
suppress_warnings = ["toc.not_included", "myst.xref_missing"]
