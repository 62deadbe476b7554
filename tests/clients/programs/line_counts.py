"""The table of examples/README.md: each figure is what the same count says of the same program.

The figures of programs on plain groups are of the user's own document, named by
MILLSTREAM_CHAPTER; without it they are not looked at.
"""

import os
import pathlib
import re
import sys

from harness.checks import Reporter, Skip, equal
from harness.tooling import WORKSPACE

EXAMPLES = WORKSPACE / "examples"
sys.path.insert(0, str(EXAMPLES))

import count_lines  # noqa: E402 (beside the examples, where their readers look for it)
from chapter_parts import document  # noqa: E402

ROW = re.compile(r"^\| \[(\w+)\]\(([^)]+)\) \| ([\d–]+) \| ([\d–]+) \| (\d+) \|$", re.MULTILINE)
# Which program of the document is in the language of a row.
PROGRAMS = {"Python": "main", "Node": "node"}
CONSUMER = "class StreamConsumer"


def rows():
    """{language: (path, whole program, its consumer, example)}, the figures as they are written."""
    found = ROW.findall((EXAMPLES / "README.md").read_text(encoding="utf-8"))
    equal([row[0] for row in found], ["Python", "Node", "Rust"], "rows of the table")
    return {row[0]: row[1:] for row in found}


def the_examples():
    workers = [path for path, *_ in rows().values()]
    equal(workers, count_lines.WORKERS, "programs of the table")
    for path, _, _, here in rows().values():
        text = (EXAMPLES / path).read_text(encoding="utf-8")
        equal(int(here), count_lines.count(text, pathlib.Path(path).suffix), path)


def the_chapter():
    if not os.environ.get("MILLSTREAM_CHAPTER"):
        raise Skip("MILLSTREAM_CHAPTER names no document")
    programs = document.programs(pathlib.Path(os.environ["MILLSTREAM_CHAPTER"]))
    for language, name in PROGRAMS.items():
        path, whole, consumer, _ = rows()[language]
        suffix = pathlib.Path(path).suffix
        equal(int(whole), count_lines.count(programs[name], suffix), f"{language}, all of it")
        part = document.part(programs[name], CONSUMER)
        equal(int(consumer), count_lines.count(part, suffix), f"{language}, its consumer")


def what_is_counted():
    documented = '"""Text.\n\nMore."""\n\n# why\nx = """a\n\nb"""  # a comment\n'
    function = "def f():\n    \'\'\'Text.\'\'\'\n    return 1\n"
    equal(count_lines.count(documented + function, ".py"), 4)
    other = "// a\nlet x = 1; // why\n/* a\n b */\n\n  /// doc\nf();\n"
    equal(count_lines.count(other, ".js"), 2)


def main():
    report = Reporter()
    for check in (what_is_counted, the_examples, the_chapter):
        report.run(check.__name__.replace("_", " "), check)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
