"""Names in code style, such as `fc.conv2d` or `nn.Conv2D(32, 3)`, lead to the reference where it has them."""

import re

from docutils import nodes
from sphinx import addnodes

# What a name may begin with, and what it stands for.
_MODULES = {"fastconv": "fastconv", "fc": "fastconv"}
_MODULES |= {
    name: f"fastconv.{name}"
    for name in ("algorithms", "data", "diagnostics", "functional", "models", "nn", "optim", "training")
}
_NAME = re.compile(rf"({'|'.join(_MODULES)})\.([A-Za-z_][\w.]*)(\(.*\))?")


def setup(app):
    app.connect("doctree-read", link_names)
    return {"parallel_read_safe": True}


def link_names(app, doctree):
    """Puts references in the place of names; those that the reference does not have stay code."""
    for literal in list(doctree.findall(nodes.literal)):
        match = _NAME.fullmatch(literal.astext())
        if match is None or isinstance(literal.parent, (nodes.reference, nodes.title, addnodes.pending_xref)):
            continue
        target = f"{_MODULES[match[1]]}.{match[2]}"
        reference = addnodes.pending_xref(
            "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=False, refdoc=app.env.docname
        )
        literal.replace_self(reference)
        reference += literal
