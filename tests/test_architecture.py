"""Imports run one way: cli -> report, training -> models -> nn -> functional -> selection -> algorithms -> kernels."""

import ast
import pathlib

import pytest

import fastconv
from pages import ROOT

PACKAGE = pathlib.Path(fastconv.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# The checkout's, since packages are installed without sources.
SUFFIXES = {".py", ".pyx", ".pxi", ".h", ".c"}
KERNELS = sorted(path for path in (ROOT / "fastconv" / "kernels").rglob("*") if path.suffix in SUFFIXES)
# Anyone may import these.
FREE = {"problem", "errors", "memory", "files", "typing"}
# From the bottom up; each part imports parts below its own line. A part that is not named here is a leaf: it imports nothing of
# ours but what is free, and anyone may import it.
LAYERS = (
    {"kernels", "workspace"},
    {"algorithms"},
    {"selection"},
    {"execution"},
    {"functional"},
    {"nn"},
    {"models", "data", "diagnostics"},
    {"report", "training"},
    {"cli"},
    {"__init__", "__main__"},
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
# Parts with a shorter list than their line gives them.
ONLY = {
    "nn": {"functional", *FREE},
    "optim": {"errors", "kernels", "threads", "typing"},
    "errors": set(),
    "typing": set(),
    "problem": {"errors", "typing"},
    "memory": {"errors", "problem"},
}
# What no library module imports: test helpers and test tools.
TEST_ONLY = {"tests", "harness", "problems", "subprocesses", "conftest", "pytest", "hypothesis", "unittest"}


def running(node):
    """The nodes of a syntax tree but for those that only type checkers read."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        children = node.orelse
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from running(child)


def imports(path):
    """(line, absolute dotted name) of every import in a file that can run, wherever it stands; of ``from a import b``, a.b."""
    package = ("fastconv", *path.relative_to(PACKAGE).parts[:-1])
    for node in running(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, (start, node.module)))
            for alias in node.names:
                yield node.lineno, f"{source}.{alias.name}"


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parts_imported(path):
    """(line, part) of every import of ours."""
    for line, name in imports(path):
        root, _, rest = name.partition(".")
        part = rest.split(".")[0]
        if root == "fastconv" and part and (PACKAGE / part).exists() | (PACKAGE / f"{part}.py").exists():
            yield line, part


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def test_the_modules_are_found():
    assert {"problem", "algorithms", "kernels"} <= {part_of(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path):
    part = part_of(path)
    for line, imported in parts_imported(path):
        if imported == part:
            continue
        allowed = imported in FREE or LEVEL.get(imported, -1) < LEVEL.get(part, -1)
        if part in ONLY:
            allowed = imported in ONLY[part]
        assert allowed, f"{name_of(path)}:{line} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_library_module_imports_test_helpers(path):
    for line, name in imports(path):
        assert name.split(".")[0] not in TEST_ONLY, f"{name_of(path)}:{line} imports {name}"


def test_importing_the_package_imports_none_of_its_modules():
    top_level = [node for node in ast.parse((PACKAGE / "__init__.py").read_text()).body if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in top_level)


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_kernels_see_arrays_and_integers_only(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if not line.lstrip().startswith(("#", "/*", "*", '"""'))]
    assert not any("ConvProblem" in line for line in code)


@pytest.mark.parametrize("path", [path for path in KERNELS if path.suffix == ".h"], ids=lambda path: path.name)
def test_headers_do_not_ask_for_the_matrix_units(path):
    """C sources without `MATRIX_UNITS` are compiled once for two instruction sets; what they include must not differ either."""
    text = path.read_text(encoding="utf-8")
    assert "MATRIX_UNITS" not in text and "__AMX" not in text


def test_optimizers_import_numpy_and_kernels_only():
    for path in MODULES:
        if part_of(path) == "optim":
            roots = {name.split(".")[0] for _, name in imports(path)}
            assert roots <= {"numpy", "fastconv", "__future__", "math", "abc", "typing", "dataclasses", "collections"}, name_of(
                path
            )


def test_only_threads_changes_the_thread_counts_of_others():
    """Neither OpenMP's nor BLAS's thread counts are set anywhere but in threads.py; reports may read them."""
    setters = {"threadpool_limits", "omp_set_num_threads", "openblas_set_num_threads"}
    for path in MODULES:
        if part_of(path) != "threads":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            names |= {name.rpartition(".")[2] for _, name in imports(path)}
            assert not names & setters, name_of(path)
