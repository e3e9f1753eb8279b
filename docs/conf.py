"""How Sphinx makes a site of this folder: `invoke docs`."""

from importlib.metadata import version as version_of

project = "sessionbase"
version = version_of("sessionbase")
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"sessionbase {version}"
html_show_copyright = False
# Its sources are what people read where they cloned it; the site needs no second copy.
html_copy_source = False
myst_heading_anchors = 4
# psql's own commands (\gset, \set) are no SQL to the highlighter.
suppress_warnings = ["misc.highlighting_failure"]
