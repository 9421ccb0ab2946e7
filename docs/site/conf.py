"""Sphinx makes the site of the Markdown files as they are: `make docs`.

The root of the project is the source, so that a link leads to the same place here and where the repository is read.
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "Glassbench"
version = release = version_of("glassbench")
html_title = f"Glassbench {release}"
copyright = "the authors of Glassbench, MIT licence"

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "results/README.md",
    "notebooks/README.md",
    "benchmarks/README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
# Folders in which Sphinx need not look for pages: it would follow the links in src/ too.
exclude_patterns = [".*", "build", "src", "tests", "experiments", "transport", "sender", "receiver", "netem"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "python_reference",
    "command_reference",
    "metric_reference",
    "commands_shown",
    "accessible",
]
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["myst.header"]  # a page that is also read by itself may begin where it likes

default_role = "code"
smartquotes = False  # it would make a dash of the --option in a help text
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["index.html"]
html_copy_source = False
html_show_sphinx = False
highlight_language = "text"
copybutton_only_copy_prompt_lines = False
