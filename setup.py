"""Builds the kernels once per instruction set.

Each set is one extension module, `fastconv.kernels._<set>`, made of the same kernels.pxi and C sources with other compiler
flags. Sets the compiler cannot target are left out; OpenMP is used where a test program compiles and links with it.
"""

import concurrent.futures
import os
import pathlib
import platform
import re
import sys
import tempfile

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = pathlib.Path("fastconv/kernels")

X86 = platform.machine().lower() in ("x86_64", "amd64")
INSTRUCTION_SETS = {"baseline": []}
if X86:
    INSTRUCTION_SETS["avx2"] = ["-mavx2", "-mfma", "-mtune=haswell"]
    INSTRUCTION_SETS["avx512"] = [
        "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mavx2", "-mfma", "-mtune=skylake-avx512",
        "-mprefer-vector-width=512",
    ]  # fmt: skip

# Value-safe: no -ffast-math. Contraction to fused multiply-adds is what the error bounds are stated for.
FLAGS = ["-O3", "-g0", "-std=gnu11", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi"]


class BuildExt(build_ext):
    """Compiles the sources of each extension in parallel, into a folder of its own, and only what changed."""

    def build_extensions(self):
        openmp = self.openmp_flags()
        if openmp is None:
            print("fastconv: this compiler has no OpenMP; building for one thread", file=sys.stderr)
        usable = []
        for extension in self.extensions:
            flags = INSTRUCTION_SETS.get(extension.name.rpartition("._")[2], [])
            if flags and not self.compiles("int main(void) { return 0; }", flags):
                print(f"fastconv: this compiler cannot build {extension.name}; leaving it out", file=sys.stderr)
                continue
            extension.extra_compile_args += FLAGS + flags + (openmp or [])
            extension.extra_link_args += openmp or []
            usable.append(extension)
        self.extensions = usable
        super().build_extensions()

    def build_extension(self, ext):
        root = self.build_temp
        self.build_temp = os.path.join(root, ext.name)
        compile_one = self.compiler._compile
        jobs = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:

            def compile_later(obj, src, suffix, cc_args, extra, pp_opts):
                if not is_current(obj):
                    jobs.append(pool.submit(compile_one, obj, src, suffix, cc_args, [*extra, "-MMD"], pp_opts))

            self.compiler._compile = compile_later
            link = self.compiler.link_shared_object

            def wait_and_link(*args, **kwargs):
                for job in jobs:
                    job.result()
                link(*args, **kwargs)

            self.compiler.link_shared_object = wait_and_link
            try:
                super().build_extension(ext)
            finally:
                self.compiler._compile, self.compiler.link_shared_object = compile_one, link
                self.build_temp = root

    def openmp_flags(self):
        program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }"
        for flags in (["-fopenmp"], ["-Xpreprocessor", "-fopenmp", "-lomp"]):
            if self.compiles(program, flags):
                return flags
        return None

    def compiles(self, program, flags):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "probe.c")
            source.write_text(program)
            try:
                objects = self.compiler.compile([str(source)], output_dir="/" if os.path.isabs(folder) else "", extra_postargs=flags)
                self.compiler.link_executable(objects, str(source.with_suffix("")), extra_postargs=flags)
            except Exception:  # CompileError and LinkError differ between setuptools versions
                return False
            return True


def is_current(obj):
    """Whether an object file is newer than everything its compiler wrote down as read for it."""
    rules = pathlib.Path(obj).with_suffix(".d")
    if not rules.exists() or not os.path.exists(obj):
        return False
    read = re.sub(r"\\\n", " ", rules.read_text()).partition(":")[2].split()
    newest = max((os.path.getmtime(path) if os.path.exists(path) else float("inf")) for path in [*read, "setup.py"])
    return os.path.getmtime(obj) >= newest


def extension(name, sources):
    return Extension(
        f"fastconv.kernels.{name}", sources, include_dirs=[str(KERNELS), numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    )  # fmt: skip


c_sources = sorted(str(path) for path in KERNELS.glob("*.c") if not path.name.startswith("_"))
extensions = [extension(f"_{name}", [str(KERNELS / f"_{name}.pyx"), *c_sources]) for name in INSTRUCTION_SETS]
extensions += [extension(name, [str(KERNELS / f"{name}.pyx")]) for name in ("_cpu", "blas")]

setup(
    ext_modules=cythonize(
        extensions, include_path=[str(KERNELS)], build_dir="build/cython", language_level=3,
        compiler_directives={"cdivision": True},
    ),  # fmt: skip
    cmdclass={"build_ext": BuildExt},
)
