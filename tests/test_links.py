"""Links between the pages, and to files beside them, lead somewhere; every page can be reached."""

import runpy

import pytest

from pages import DOCS, anchors, links, name_of, pages

INDEXES = [page for page in pages() if page.name == "index.md"]


def inside(page):
    """(link, path, anchor) of the links that do not leave the repository."""
    for link in links(page):
        if "://" not in link and not link.startswith("mailto:"):
            path, _, anchor = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_to_files_and_headings(page):
    for link, path, anchor in inside(page):
        if path.suffix == ".svg" and path.parent == DOCS / "figures":
            path = path.with_suffix(".py")  # drawn by it when the site is built
        assert path.is_file(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("index", INDEXES, ids=name_of)
def test_an_index_lists_the_pages_of_its_folder(index):
    linked = {path for _, path, _ in inside(index)}
    folder = index.parent
    expected = {page for page in folder.glob("*.md") if page != index} | set(folder.glob("*/index.md"))
    # Shown for the files beside docs/ that they include.
    expected -= set((DOCS / "project").glob("*.md"))
    assert expected <= linked


def test_the_site_takes_its_navigation_from_these_lists():
    completed = runpy.run_path(str(DOCS / "_extensions" / "navigation.py"))["completed"]
    text = "- [A](a.md): one.\n- [B](b/index.md)\n- [C](../c.md)\n"
    text += "\nSee [A](a.md), [how](../CONTRIBUTING.md#x), [run](../examples/y.py).\n"
    toctree = completed(text, is_index=True).split("```{toctree}")[1]
    assert toctree.split() == [":hidden:", "a", "b/index", "```"]
    assert "(/project/contributing.md#x), [run](/gallery/y.rst)" in completed(text, is_index=False)


def test_folders_have_an_index():
    folders = {page.parent for page in pages() if page.is_relative_to(DOCS)} - {DOCS / "project"}
    assert {index.parent for index in INDEXES} == folders
