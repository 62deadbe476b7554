"""The programs in the user's Markdown document, byte for byte.

A program is a fenced block; it is recognised by the class it defines or the module it imports, so
that headings may be worded in any way.
"""

import re

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PROGRAMS = {
    "main": ("python", "class ConsumerGroupManager"),
    "node": ("javascript", "class ConsumerGroupManager"),
    "workers": ("python", "import multiprocessing"),
    "priorities": ("python", "class PriorityStreamProcessor"),
    "fan_out": ("python", "class FanOutProcessor"),
}

# Between the parts of a program stands a title between two lines, all of them comments.
PART = re.compile(r"^(?:#|//) =+\n(?:#|//) .*\n(?:#|//) =+\n", re.MULTILINE)


def part(program, mark):
    """The only part of a program that has this mark."""
    texts = [text for text in PART.split(program) if mark in text]
    if len(texts) != 1:
        raise ValueError(f"{len(texts)} parts with '{mark}', expected one")
    return texts[0]


def programs(path):
    """{name: text} of all five; fails if one is missing or found twice."""
    blocks = FENCE.findall(path.read_text(encoding="utf-8"))
    found = {}
    for name, (language, mark) in PROGRAMS.items():
        texts = [text for tag, text in blocks if tag == language and mark in text]
        if len(texts) != 1:
            raise ValueError(f"{len(texts)} {language} blocks with '{mark}', expected one")
        found[name] = texts[0]
    return found
