"""Navigation of the site from the Markdown as it stands.

Index pages list their pages as links, for readers of the repository; the same list becomes the site's toctree, so that a page
which is not listed is a warning. Links that leave docs/ lead to the pages that the site has in their place.
"""

import pathlib
import re

# Files beside docs/, as links name them, and their pages.
_PAGES = (
    (re.compile(r"\]\((?:\.\./)+(CONTRIBUTING|CHANGELOG)\.md"), lambda match: f"](/project/{match[1].lower()}.md"),
    (re.compile(r"\]\((?:\.\./)+examples/README\.rst"), lambda match: "](/gallery/index.rst"),
    (re.compile(r"\]\((?:\.\./)+examples/(\w+)\.py"), lambda match: f"](/gallery/{match[1]}.rst"),
)
# A line of a list that begins with a link; pages of other folders have their place there.
_LISTED = re.compile(r"^- \[[^\]]+\]\((?!\.\.)([^):]+)\.(?:md|rst)\)", re.MULTILINE)


def setup(app):
    app.connect("source-read", prepare)
    return {"parallel_read_safe": True}


def prepare(app, page, source):
    """Completes the source of a page that is Markdown."""
    if pathlib.PurePath(app.env.doc2path(page)).suffix == ".md":
        source[0] = completed(source[0], is_index=page.rpartition("/")[2] == "index")


def completed(text, is_index):
    """The text of a page as the site has it."""
    for link, replacement in _PAGES:
        text = link.sub(replacement, text)
    if is_index:
        entries = "\n".join(dict.fromkeys(_LISTED.findall(text)))
        text += f"\n\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"
    return text
