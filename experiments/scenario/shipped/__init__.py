"""Scenarios that ship with the project: a TOML file each, and here the question that it asks."""

SCENARIOS: dict[str, str] = {
    "default": "Which transport shows frames soonest over LTE in a moving car, with fades and losses?",
    "loss": "What does loss alone cost, where there is plenty of capacity?",
    "fixed": "What do the protocols themselves add, on a link that gives no trouble?",
    "shallow-queue": "Who loses the end of a burst, where the queue holds few packets?",
    "jitter": "What does delay cost that varies by as much as it is?",
    "outage": "How does each transport come back after half a second without a network?",
    "steps": "How fast does each transport follow when the capacity falls below the video's rate, and comes back?",
    "adaptive": "Which transport shows frames soonest over LTE in a moving car, if its encoder follows the network?",
}
