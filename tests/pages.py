"""The pages of the documentation as tests read them: blocks of code, links and headings."""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Written by `make docs`.
_GENERATED = ("_build", "gallery", "generated")

_FENCE = re.compile(r"^```(?P<language>[\w{}-]*)[^\n]*\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
# A line of its own that names the file which the block behind it holds.
_FILE = re.compile(r"^`([\w./-]+)`:$")
_CODE = re.compile(r"(`+).+?\1")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code: its language, its first line's number, the file it is, and the text that the page says it prints."""

    language: str
    text: str
    line: int
    file: str | None
    output: str | None


def pages():
    """All Markdown of the documentation, and what stands beside it."""
    found = [page for page in DOCS.rglob("*.md") if not set(page.relative_to(DOCS).parts) & set(_GENERATED)]
    return sorted([*found, *ROOT.glob("*.md")])


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    """The blocks of a page, in order; one of `text` right behind another is that one's output."""
    text = page.read_text("utf-8")
    fences = list(_FENCE.finditer(text))
    found = []
    for fence, following in zip(fences, [*fences, None][1:], strict=True):
        printed = following and following["language"] == "text" and not text[fence.end() : following.start()].strip()
        before = text[: fence.start()].rstrip().rpartition("\n")[2]
        file = _FILE.match(before)
        found.append(
            Block(
                fence["language"],
                fence["text"],
                text.count("\n", 0, fence.start("text")),
                file and file[1],
                following["text"] if printed else None,
            )
        )
    return found


def prose(page):
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def links(page):
    """Targets of a page's links and images."""
    return _LINK.findall(_CODE.sub("", prose(page)))


def anchors(page):
    """The names under which a page's headings can be linked to."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))}
