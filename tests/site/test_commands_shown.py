"""What a page of the site tells its reader to type is run, and what comes of it is shown."""

from pathlib import Path

import pytest
from commands_shown import BlockError, shown

PAGE = """
```toml
# file: a/call.toml
x = 1
```

<!-- not run: it would fail -->
```sh
false
```

```sh
cat a/call.toml  # a comment
test -t 1 && echo a terminal of $(stty size < /dev/tty 2>/dev/null || echo 80) ; cp a/call.toml a/x.svg
(exit 3)  # ends with 3
```

<!-- it prints -->

```python
y = 20
```

```python
y + 1
```

<!-- it prints -->

<!-- picture x*.svg: A letter -->

<!-- page x.svg: All of it -->
"""


def test_blocks_run_in_their_order_in_one_folder_and_marks_become_what_came_of_them(tmp_path: Path) -> None:
    text = shown(tmp_path, "docs/how-to/page", PAGE)
    assert "x = 1\na terminal of" in text.split("screen\n\n")[1]
    assert text.split("screen\n\n")[2].startswith("21\n")
    assert "![A letter](/build/shown/docs-how-to-page/here/a/x.svg)" in text
    assert '<a href="../../shown/docs-how-to-page/x.svg">All of it</a>' in text
    assert "<!-- it prints" not in text


def test_what_has_run_is_not_run_again_until_the_page_changes(tmp_path: Path) -> None:
    page = "```sh\ndate +%N\n```\n<!-- it prints -->\n"
    first = shown(tmp_path, "docs/tour", page)
    assert shown(tmp_path, "docs/tour", page) == first
    assert shown(tmp_path, "docs/tour", page.replace("%N", "%N%N")) != first


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ("```sh\nexit 3\n```", "exit 3: ended with 3"),
        ("```python\nraise RuntimeError('no')\n```", "no"),
        ("<!-- picture x.png: A letter -->", "no command made a file x.png"),
    ],
)
def test_a_block_that_fails_is_told_with_what_came_of_it(tmp_path: Path, block: str, sentence: str) -> None:
    with pytest.raises(BlockError) as error:
        shown(tmp_path, "docs/tour", block)
    assert str(error.value).startswith(block[:40]) and sentence in str(error.value)
