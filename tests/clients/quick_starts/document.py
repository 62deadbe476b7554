"""The shell blocks of a Markdown document, with what the document says that they print.

A block is fenced as `sh`. A `text` block that follows it, with nothing but blank lines between
them, is its output. Two marks, which no reader sees, may stand on the line above a block:

    <!-- keeps running -->      its last command goes on until the end of the document: a server
    <!-- not run: REASON -->    it is for the reader alone
"""

import re

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"<!-- (keeps running|not run: .+?) -->\n\Z")
# Ids are different each time.
ENTRY_ID = re.compile(r"\d{13}-\d+")


class Block:
    """One shell block: `line` of its fence, `script`, `mark`, and `output` or nothing."""

    def __init__(self, line, script, mark):
        self.line = line
        self.script = script
        self.mark = mark
        self.output = None

    @property
    def runs(self):
        return not self.mark.startswith("not run")

    @property
    def keeps_running(self):
        return self.mark == "keeps running"

    @property
    def title(self):
        """The first command without its comment, to be told by."""
        return self.script.strip().splitlines()[0].split("  #")[0]


def blocks(text):
    """All shell blocks, in order."""
    found = []
    end = 0
    for fence in FENCE.finditer(text):
        language, body = fence.groups()
        if language == "sh":
            mark = MARK.search(text[:fence.start()])
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Block(line, body, mark.group(1) if mark else ""))
        elif language == "text" and found and not text[end:fence.start()].strip():
            found[-1].output = body
        # What stands behind a fence that is no shell block belongs to none.
        end = fence.end() if language == "sh" else len(text)
    return found


def comparable(output):
    """Output without what differs from run to run: ids, and the ends of lines of a terminal."""
    return ENTRY_ID.sub("ID", output.replace("\r\n", "\n")).strip()
