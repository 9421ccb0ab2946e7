"""Scenarios that ship with the project: a TOML file each, and here the question that it asks."""

SCENARIOS: dict[str, str] = {
    "default": "Which transport shows frames soonest over LTE in a moving car, with fades and losses?",
    "loss": "What does loss alone cost, where there is plenty of capacity?",
    "steps": "How fast does each transport follow when the capacity falls below the video's rate, and comes back?",
}
