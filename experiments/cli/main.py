"""Entry point of `glass`. It imports the commands while it runs, so that Ctrl-C is answered during the imports too."""

import sys

from glassbench.netem.live.isolated_python import without_current_folder


def main() -> int:
    """Run `glass`: bad input ends with one sentence and exit code 2, an interrupt with 130."""
    sys.path[:] = without_current_folder(sys.path)
    try:
        from glassbench.experiments.cli.app import app
        from glassbench.experiments.cli.errors import run_app
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return run_app(app)
