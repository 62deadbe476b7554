"""Counts the lines of programs that do something: no blank lines, no comments, no docstrings.

    python3 examples/count_lines.py [FILE ...]      the three workers beside this file by default

Python is parsed; in JavaScript and Rust a comment is a line that begins with `//`, or a block.
"""

import ast
import io
import pathlib
import re
import sys
import tokenize

HERE = pathlib.Path(__file__).resolve().parent
WORKERS = ["python/worker.py", "node/worker.js", "rust/src/main.rs"]
NOTHING = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}
BLOCK_COMMENT = re.compile(r"^[ \t]*/\*.*?\*/", re.DOTALL | re.MULTILINE)


def python_lines(text):
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    busy = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOTHING:
            busy.update(range(token.start[0], token.end[0] + 1))
    lines = text.splitlines()
    return sum(1 for number in busy - docstrings if lines[number - 1].strip())


def other_lines(text):
    lines = [line.strip() for line in BLOCK_COMMENT.sub("", text).splitlines()]
    return sum(1 for line in lines if line and not line.startswith("//"))


def count(text, suffix):
    return python_lines(text) if suffix == ".py" else other_lines(text)


def main():
    for path in map(pathlib.Path, sys.argv[1:] or [HERE / worker for worker in WORKERS]):
        print(f"{count(path.read_text(encoding='utf-8'), path.suffix):5} {path}")


if __name__ == "__main__":
    main()
