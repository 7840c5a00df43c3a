"""The directive `commands`: a section for every command of the command line, with what `--help` prints."""

import click
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from fastconv.cli import main

_WIDTH = 78


class Commands(SphinxDirective):
    """A section a command, in alphabetical order; those of a group by their full names."""

    def run(self):
        return [section for name, command in _commands("fastconv", main) for section in self.section(name, command)]

    def section(self, name, command):
        section = nodes.section(ids=[nodes.make_id(name)], names=[name])
        section += nodes.title(text=name)
        with click.Context(command, info_name=name, max_content_width=_WIDTH, terminal_width=_WIDTH) as context:
            section += nodes.literal_block(text=command.get_help(context), language="none")
        return [section]


def _commands(name, command):
    yield name, command
    for child, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _commands(f"{name} {child}", inner)


def setup(app):
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
