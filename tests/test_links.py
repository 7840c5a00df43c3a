"""Links between the pages, and to files beside them, lead somewhere; every page can be reached."""

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


def test_folders_have_an_index():
    folders = {page.parent for page in pages() if page.is_relative_to(DOCS)} - {DOCS / "project"}
    assert {index.parent for index in INDEXES} == folders
