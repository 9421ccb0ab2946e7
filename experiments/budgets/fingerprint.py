"""What decides the numbers of a target, as one short text: two targets with the same fingerprint are the same
experiment."""

import hashlib
import json

from glassbench.experiments.budgets.spec import BudgetError, Target
from glassbench.experiments.scenario.named_files import digests


def fingerprint(target: Target) -> str:
    """A digest of the scenario with this one arm, of its seeds, and of the files that it names. Raises BudgetError.

    A file counts by what it says: neither its bytes nor its name do, beyond what the scenario says of it. The name of
    the scenario and its other arms decide nothing, so they are not in it. Neither are fields that are at
    their default: a version of the program that knows one more does not make every baseline foreign.
    """
    scenario = target.scenario.model_copy(update={"arms": (target.scenario.arm(target.arm),), "seed": 1, "name": "any"})
    content = scenario.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    digest = hashlib.sha256(json.dumps([content, target.seeds], sort_keys=True).encode())
    try:
        digest.update(json.dumps(list(digests([scenario]).values())).encode())
    except OSError as error:
        raise BudgetError(f"cannot read {error.filename} of scenario {target.name}: {error.strerror}") from None
    return digest.hexdigest()[:16]
