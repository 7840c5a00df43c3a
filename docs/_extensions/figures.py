"""Draws the figures of the pages: figures/NAME.py has a function `draw`, whose figure becomes figures/NAME.svg."""

import pathlib
import runpy

FOLDER = pathlib.Path(__file__).parents[1] / "figures"
# Text stays text, and a figure drawn twice is the same file.
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fastconv",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "savefig.transparent": True,
    "figure.constrained_layout.use": True,
}


def setup(app):
    app.connect("builder-inited", lambda app: draw_all())
    return {"parallel_read_safe": True}


def draw_all(folder=FOLDER):
    """Writes every figure to a folder; returns the paths."""
    import matplotlib

    paths = []
    with matplotlib.rc_context(_SETTINGS):
        for script in sorted(FOLDER.glob("*.py")):
            paths.append(pathlib.Path(folder, script.stem).with_suffix(".svg"))
            figure = runpy.run_path(script)["draw"]()
            figure.savefig(paths[-1], metadata={"Date": None})
    return paths
