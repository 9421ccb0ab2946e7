"""How every command ends: errors are one sentence on stderr and an exit code, never a traceback.

Commands raise ValueError (bad input) or OSError (files, network) and catch nothing. 0 is success, 1 a defect (of an
arm: the others are measured all the same) or output that the machine would not take, 2 bad input or usage, 130 an
interrupt.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from glassbench.experiments.cli.bash_words import whole_words
from glassbench.experiments.cli.terminal import speak_plainly
from glassbench.experiments.results.files import NOT_TAKEN, OutputError

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def run_app(app: typer.Typer, arguments: Sequence[str] | None = None, *, name: str = "glass") -> int:
    """Run a typer app on `arguments` (the process's own if None) and return the exit code for `sys.exit`."""
    speak_plainly()
    command = typer.main.get_command(app)
    invoke = command.invoke
    kept = "interrupted"

    def listen(context: Any) -> Any:
        nonlocal kept
        try:
            return invoke(context)
        except KeyboardInterrupt as interrupt:
            kept = getattr(interrupt, "kept", kept)
            raise

    command.invoke = listen  # type: ignore[method-assign, assignment]
    try:
        with whole_words():
            result = command.main(
                args=None if arguments is None else list(arguments), prog_name=name, standalone_mode=False
            )
        _flush()
        if result == INTERRUPTED:  # newer versions of typer turn an interrupt into this, and forget what it said
            return _fail(kept, INTERRUPTED)
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort) as interrupt:
        return _fail(str(interrupt) or "interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        _give_up_stdout()
        return 0
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # the same, noticed by typer first
            return 0
        raise
    except OutputError as error:
        return _fail(str(error), FAILED)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename is None and error.errno in NOT_TAKEN:
            _give_up_stdout()
            return _fail(f"cannot write the output: {reason}", FAILED)
        return _fail(f"{error.filename}: {reason}" if error.filename else reason, USAGE)
    except ValueError as error:
        return _fail(str(error), USAGE)
    except Exception as error:
        # A usage error is click's or, in newer versions of typer, typer's own: there is no public base of both.
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()
        return _fail(message, USAGE) if message else USAGE  # without one, the help was printed


def _flush() -> None:
    if sys.stdout is not None:  # a shell may close it (>&-)
        sys.stdout.flush()


def _give_up_stdout() -> None:
    """Drop what is left in the buffer of stdout: it would fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return code
