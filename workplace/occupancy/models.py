"""The occupancy models by the name that a policy gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from workplace.floor_plan import FloorPlan
from workplace.occupancy.hand_tuned import HandTuned
from workplace.occupancy.hidden_markov import HiddenMarkov
from workplace.occupancy.interface import OccupancyModel
from workplace.policy import Policy
from workplace.policy_file import OccupancyModelName

MODELS: Final[dict[OccupancyModelName, Callable[[Policy, FloorPlan], OccupancyModel[Any]]]] = {
    "filter": lambda policy, plan: HiddenMarkov.of(policy, plan.tz),
    "hand_tuned": lambda policy, _: HandTuned.of(policy),
}


def model_of(policy: Policy, plan: FloorPlan) -> OccupancyModel[Any]:
    """Return the model that the policy names."""
    return MODELS[policy.settings.occupancy.model](policy, plan)
