"""Builds the kernels once per instruction set.

Each set is one extension module, `fastconv.kernels._<set>`, made of the same kernels.pxi and C sources with other compiler
flags; what does not know the matrix units is the same for `avx512` and `amx`, and is compiled once. Sets the compiler cannot
target are left out; OpenMP is used where a test program compiles and links with it. The sources need GCC's vector extensions:
GCC or Clang, and clang-cl on Windows.
"""

import concurrent.futures
import os
import pathlib
import platform
import re
import shutil
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
        "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mavx2", "-mfma", "-mprfchw", "-mtune=skylake-avx512",
        "-mprefer-vector-width=512",
    ]  # fmt: skip
    if sys.platform == "linux":  # elsewhere kernels/_cpu.pyx does not know how to ask for the matrix units
        INSTRUCTION_SETS["amx"] = [
            *INSTRUCTION_SETS["avx512"], "-mavx512bf16", "-mavx512vbmi", "-mamx-tile", "-mamx-bf16",
            "-DMATRIX_UNITS",  # compilers' own names for it differ
        ]  # fmt: skip

# Value-safe: no -ffast-math. Contraction to fused multiply-adds is what the error bounds are stated for.
FLAGS = ["-O3", "-g0", "-std=gnu11", "-fvisibility=hidden", "-Wno-psabi"]
FLAGS += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
# The kernels say themselves what is a vector, and GCC 12's loop vectorizer miscompiles loops over arrays of 16-byte vectors.
# Clang has no such flag and no such fault.
GCC_FLAGS = ["-fno-tree-loop-vectorize"]
PLAIN_PROGRAM = "int main(void) { return 0; }"
OPENMP_PROGRAM = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }"
TEAM_PROGRAM = '#include "team.h"\n#ifndef OWN_TEAM\n#error\n#endif\n' + PLAIN_PROGRAM
# Each a test program with the flags for compiling and for linking: GCC on Linux, where kernels/team.c takes the place of the
# OpenMP library; Clang, and GCC elsewhere; Apple's Clang with libomp.
OPENMP = (
    (TEAM_PROGRAM, ["-fopenmp"], ["-pthread"]),
    (OPENMP_PROGRAM, ["-fopenmp"], ["-fopenmp"]),
    (OPENMP_PROGRAM, ["-Xpreprocessor", "-fopenmp"], ["-lomp"]),
)


class BuildExt(build_ext):
    """Chooses the flags by what the compiler can do; with GCC and Clang compiles in parallel, and only what changed."""

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            self.use_clang_cl()
        compile_openmp, link_openmp = self.openmp_flags()
        common = FLAGS + (GCC_FLAGS if self.can_link(PLAIN_PROGRAM, ["-Werror", *GCC_FLAGS]) else [])
        usable = []
        for extension in self.extensions:
            flags = INSTRUCTION_SETS.get(extension.name.rpartition("._")[2], [])
            if flags and not self.can_link(PLAIN_PROGRAM, self.spelled(flags)):
                print(f"fastconv: this compiler cannot build {extension.name}; leaving it out", file=sys.stderr)
                continue
            extension.extra_compile_args += self.spelled(common + flags + compile_openmp)
            extension.extra_link_args += link_openmp
            usable.append(extension)
        self.extensions = usable
        self.parallel = None  # `ParallelCompiler` does it, with the one compiler that all extensions share
        self.force = True  # setuptools looks at an extension's sources only; `is_current` knows the headers and flags too
        if self.compiler.compiler_type != "unix":
            return super().build_extensions()
        with ParallelCompiler(self.compiler):
            super().build_extensions()

    def build_extension(self, ext):
        # The same C file is compiled for every instruction set, so each has a folder of objects of its own.
        build_temp = self.build_temp
        self.build_temp = os.path.join(build_temp, ext.name)
        if ext.name == AMX:
            ext.extra_objects = [os.path.join(build_temp, AVX512, source.removesuffix(".c") + ".o") for source in WITHOUT_TILES]
        try:
            super().build_extension(ext)
        finally:
            self.build_temp = build_temp

    def use_clang_cl(self):
        clang_cl = shutil.which("clang-cl")
        if clang_cl is None:
            sys.exit("fastconv: clang-cl is not on PATH; install LLVM (MSVC has no vector extensions)")
        self.compiler.initialize()
        self.compiler.cc = clang_cl

    def spelled(self, flags):
        """The flags as this compiler wants them."""
        return [f"/clang:{flag}" for flag in flags] if self.compiler.compiler_type == "msvc" else flags

    def openmp_flags(self):
        for program, compiling, linking in OPENMP:
            if self.can_link(program, self.spelled(compiling), linking):
                return compiling, linking
        print("fastconv: this compiler has no OpenMP; building for one thread", file=sys.stderr)
        return [], []

    def can_link(self, program, compiling, linking=()):
        """Whether a program compiles and links with the given flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "probe.c")
            source.write_text(program)
            try:
                include = [str(KERNELS)]
                objects = self.compiler.compile([str(source)], folder, include_dirs=include, extra_postargs=list(compiling))
                self.compiler.link_executable(objects, "probe", output_dir=folder, extra_postargs=list(linking))
            except Exception:  # CompileError and LinkError differ between setuptools versions
                return False
            return True


class ParallelCompiler:
    """In a ``with`` block makes a Unix compiler compile in parallel, and only what is not current; it links at the end.

    setuptools compiles the sources of an extension one after the other, in `compiler._compile`, and then links. Here
    `_compile` only starts the work.
    """

    def __init__(self, compiler):
        self.compiler, self.compile, self.link = compiler, compiler._compile, compiler.link_shared_object
        self.pool, self.jobs, self.links = concurrent.futures.ThreadPoolExecutor(os.cpu_count()), [], []

    def __enter__(self):
        self.compiler._compile, self.compiler.link_shared_object = self.compile_later, self.link_later

    def __exit__(self, failed, *error):
        try:
            for job in [] if failed else self.jobs:
                job.result()
        finally:
            self.pool.shutdown(cancel_futures=True)
            del self.compiler._compile, self.compiler.link_shared_object
        for args, kwargs in [] if failed else self.links:
            self.link(*args, **kwargs)

    def compile_later(self, obj, src, suffix, cc_args, extra, pp_opts):
        command = repr((self.compiler.compiler_so, cc_args, extra, pp_opts))
        if not is_current(obj, command):
            self.jobs.append(self.pool.submit(self.compile_now, command, obj, src, suffix, cc_args, extra, pp_opts))

    def compile_now(self, command, obj, src, suffix, cc_args, extra, pp_opts):
        self.compile(obj, src, suffix, cc_args, [*extra, "-MMD"], pp_opts)
        command_file(obj).write_text(command)

    def link_later(self, *args, **kwargs):
        self.links.append((args, kwargs))


def is_current(obj, command):
    """Whether an object file was made by this command and is newer than everything its compiler wrote down as read for it."""
    obj = pathlib.Path(obj)
    rules = obj.with_suffix(".d")
    if not (obj.exists() and rules.exists() and command_file(obj).exists()) or command_file(obj).read_text() != command:
        return False
    # A make rule, "object: file file \<newline> file", in which a space inside a name is written as "\ ".
    names = re.findall(r"(?:\\ |\S)+", rules.read_text().replace("\\\n", " ").partition(": ")[2])
    read = [pathlib.Path(name.replace("\\ ", " ")) for name in names]
    return all(path.exists() and path.stat().st_mtime <= obj.stat().st_mtime for path in read)


def command_file(obj):
    return pathlib.Path(obj).with_suffix(".command")


def extension(name, sources):
    return Extension(
        f"fastconv.kernels.{name}", sources, include_dirs=[str(KERNELS), numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    )  # fmt: skip


c_sources = sorted(str(path) for path in KERNELS.glob("*.c"))
# Their objects are the same for both.
AVX512, AMX = "fastconv.kernels._avx512", "fastconv.kernels._amx"
WITHOUT_TILES = [source for source in c_sources if "MATRIX_UNITS" not in pathlib.Path(source).read_text(encoding="utf-8")]
extensions = []
for name in reversed(INSTRUCTION_SETS):  # the highest first: it has the files that take longest
    sources = set(c_sources) - set(WITHOUT_TILES) if name == "amx" else c_sources
    extensions.append(extension(f"_{name}", [str(KERNELS / f"_{name}.pyx"), *sorted(sources)]))
extensions += [extension(name, [str(KERNELS / f"{name}.pyx")]) for name in ("_cpu", "blas")]

setup(
    ext_modules=cythonize(
        extensions,
        include_path=[str(KERNELS)],
        build_dir="build/cython",
        language_level=3,
        compiler_directives={"cdivision": True},
    ),
    cmdclass={"build_ext": BuildExt},
)
