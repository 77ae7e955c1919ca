"""How `make docs` builds the pages; facts and drawings of the families are in families.py."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

about = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
project, release = about["name"], about["version"]
extensions = ["myst_parser", "sphinx_copybutton", "families"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # as GitHub makes them
html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = html_show_sourcelink = html_show_copyright = False
copybutton_exclude = ".linenos, .gp, .c1"  # a command is copied without its comment
linkcheck_timeout = 20
linkcheck_anchors = False
