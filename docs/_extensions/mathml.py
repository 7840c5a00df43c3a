"""Formulas as MathML, which browsers lay out themselves: pages need no script, no network and no fonts."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

_log = logging.getLogger(__name__)
# Bars of absolute values and norms stand close to what they hold, and do not grow with their line.
_BAR = re.compile(r'<mo(?: class="math\w+")?>([|‖])</mo>')


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True}


def inline(translator, node):
    translator.body.append(convert(node, as_block=False))
    raise nodes.SkipNode


def block(translator, node):
    translator.body.append(f'<div class="formula">{convert(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def convert(node, as_block):
    try:
        mathml = tex2mathml(node.astext(), as_block=as_block)
        return _BAR.sub(r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', mathml)
    except MathError as error:
        _log.warning("%s", error, location=node)
        return f"<code>{nodes.Text(node.astext())}</code>"
