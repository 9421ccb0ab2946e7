"""On which line of a TOML file each key stands: `tomllib` gives values without places.

It reads only valid TOML (`tomllib` has checked it first). So it needs to know only where keys and values begin and end
(toml.io v1.0.0).
"""

import tomllib

KeyPath = tuple[str | int, ...]

_SPACE = " \t"
_BLANK = " \t\r\n"


def key_lines(text: str) -> dict[KeyPath, int]:
    """The 1-based line of every key, table header and array item of a valid TOML document, by its path."""
    return _Locator(text).document()


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, or of the nearest thing around it that is written in the file; 1 for the document."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Locator:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[KeyPath, int] = {}
        self.table_arrays: dict[KeyPath, int] = {}  # path of an array of tables -> index of its newest table

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self.skip_blank():
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def header(self) -> KeyPath:
        line = self.line
        is_array = self.text.startswith("[[", self.at)
        self.advance(2 if is_array else 1)
        path: KeyPath = ()
        names = self.key()
        for depth, name in enumerate(names, start=1):
            path += (name,)
            self.lines.setdefault(path, line)
            if is_array and depth == len(names):
                self.table_arrays[path] = self.table_arrays.get(path, -1) + 1
            if path in self.table_arrays:
                path += (self.table_arrays[path],)
                self.lines.setdefault(path, line)
        self.advance(2 if is_array else 1)
        return path

    def pair(self, table: KeyPath) -> None:
        path = table
        line = self.line
        for name in self.key():
            path += (name,)
            self.lines.setdefault(path, line)
        self.advance(1)  # "="
        self.value(path)

    def key(self) -> list[str]:
        """A dotted key, up to the "=" or "]" behind it."""
        names = []
        while True:
            self.skip(_SPACE)
            start = self.at
            if self.text[self.at] in "\"'":
                self.string()
                names.append(str(tomllib.loads(f"key = {self.text[start : self.at]}")["key"]))
            else:
                while self.text[self.at] not in " \t.=]":
                    self.advance(1)
                names.append(self.text[start : self.at])
            self.skip(_SPACE)
            if self.text[self.at] != ".":
                return names
            self.advance(1)

    def value(self, path: KeyPath) -> None:
        self.skip(_SPACE)
        first = self.text[self.at]
        if first == "[":
            self.items(path)
        elif first == "{":
            self.inline_table(path)
        elif first in "\"'":
            self.string()
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}#\r\n":
                self.advance(1)

    def items(self, path: KeyPath) -> None:
        self.advance(1)
        index = 0
        while True:
            self.skip_blank()
            if self.text[self.at] == "]":
                break
            if self.text[self.at] == ",":
                self.advance(1)
                continue
            self.lines[(*path, index)] = self.line
            self.value((*path, index))
            index += 1
        self.advance(1)

    def inline_table(self, path: KeyPath) -> None:
        self.advance(1)
        while True:
            self.skip_blank()
            if self.text[self.at] == "}":
                break
            if self.text[self.at] == ",":
                self.advance(1)
                continue
            self.pair(path)
        self.advance(1)

    def string(self) -> None:
        quote = self.text[self.at]
        if not self.text.startswith(quote * 3, self.at):
            self.advance(1)
            self.until(quote, escapes=quote == '"')
            return
        self.advance(3)
        self.until(quote * 3, escapes=quote == '"')
        while self.text.startswith(quote, self.at):  # up to two more quotes belong to the text
            self.advance(1)

    def until(self, end: str, *, escapes: bool) -> None:
        while not self.text.startswith(end, self.at):
            self.advance(2 if escapes and self.text[self.at] == "\\" else 1)
        self.advance(len(end))

    def skip_blank(self) -> bool:
        """Skip white space, line ends and comments. Returns whether anything is left."""
        while True:
            self.skip(_BLANK)
            if not self.text.startswith("#", self.at):
                return self.at < len(self.text)
            while self.at < len(self.text) and self.text[self.at] != "\n":
                self.advance(1)

    def skip(self, characters: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in characters:
            self.advance(1)

    def advance(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count
