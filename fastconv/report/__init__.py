"""Comparisons of algorithms on layers: as data, as text, as pages.

tables, sweep      layers ---> comparing ---> comparison, totals: the data ---> JSON ---> record: read again
accuracy, peers    errors; other libraries       |                                        changes: two of them
                                                 |
                   text, summary, notebook       <
                   comparison_page, change_page, figures ---> page, svg: one HTML file
"""

from .change_page import change_page
from .changes import change
from .comparing import compare
from .comparison import Comparison
from .comparison_page import comparison_page
from .page import render
from .record import read_record
from .tables import load_layers, table_names

__all__ = [
    "Comparison", "change", "change_page", "compare", "comparison_page", "load_layers", "read_record", "render", "table_names",
]  # fmt: skip
