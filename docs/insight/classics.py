"""Hidden units of two networks of the 1980s, trained and untrained.

    python docs/insight/classics.py FOLDER

FOLDER has family_trees/family_trees.csv (person1, relation, person2), family_trees/people.csv
(person, nationality, generation, branch, sex) and sonar/sonar.all-data (60 numbers and R or M).
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np

from backlit.insight.recording import Recording
from backlit.insight.trained import watch
from backlit.insight.units import units
from backlit.networks import Network
from backlit.training import AdamW

SEEDS = range(5)


def compare(name: str, features: dict[str, Any], groups: Any, trained: Any) -> None:
    """Print how many networks have a unit that follows each feature, before and after training."""
    print(f"{name}: networks of {len(SEEDS)} with a first-layer unit that follows (p < 0.05)")
    counts = {feature: {1: 0, 0: 0} for feature in features}
    explained: dict[int, list[float]] = {1: [], 0: []}
    for seed in SEEDS:
        for learned in (1, 0):
            recording = trained(seed, learned)
            found = units(recording, features=features, groups=groups, permutations=199)
            first = [unit for unit in found.units if unit.layer == 1]
            explained[learned].append(float(np.mean([unit.explained for unit in first])))
            for feature in features:
                counts[feature][learned] += any(
                    unit.feature == feature and unit.p < 0.05 for unit in first
                )
    for feature, count in counts.items():
        print(f"  {feature:<12} trained {count[1]}, untrained {count[0]}")
    after, before = (np.mean(explained[learned]) for learned in (1, 0))
    print(f"  of a unit's variance, targets explain: trained {after:.0%}, untrained {before:.0%}")


def family_trees(folder: Path) -> None:
    """Tell who is the relation of whom; here, all inputs reach all units.

    G. Hinton, "Learning distributed representations of concepts", 1986.
    """
    with open(folder / "family_trees.csv") as file:
        facts = [tuple(fact.values()) for fact in csv.DictReader(file)]
    with open(folder / "people.csv") as file:
        people = {row["person"]: row for row in csv.DictReader(file)}
    names, relations = list(people), sorted({relation for _, relation, _ in facts})
    questions = sorted({fact[:2] for fact in facts})
    x = np.zeros((len(questions), len(names) + len(relations)))
    y = np.zeros((len(questions), len(names)))
    for row, (person, relation) in enumerate(questions):
        x[row, [names.index(person), len(names) + relations.index(relation)]] = 1
    for person, relation, other in facts:
        y[questions.index((person, relation)), names.index(other)] = 1
    asked = [people[person] for person, _ in questions]
    features = {
        "nationality": [person["nationality"] == "English" for person in asked],
        "generation": [int(person["generation"]) for person in asked],
        "branch": [{"left": -1, "both": 0, "right": 1}[person["branch"]] for person in asked],
        "sex": [person["sex"] == "m" for person in asked],
    }
    # All questions about a person share the person's features: people are shuffled, not questions.
    groups = [names.index(person) for person, _ in questions]

    def trained(seed: int, learned: int) -> Recording:
        network = Network(x.shape[1], (6, 12), len(names), "tanh", "label_log_loss")
        how = {"batch_size": len(x), "dtype": "float64", "seed": seed}
        epochs = 600 if learned else 1
        return watch(network, (x, y), optimizer=AdamW(0.01), epochs=epochs, **how)[1]

    compare("family trees", features, groups, trained)


def sonar(folder: Path) -> None:
    """Tell mines from rocks by the energy that comes back in 60 bands.

    R. Gorman and T. Sejnowski, "Analysis of hidden units in a layered network trained to classify
    sonar targets", 1988.
    """
    lines = (folder / "sonar.all-data").read_text().split()
    bands = np.array([line.split(",")[:60] for line in lines], float)
    mine = np.array([line.endswith("M") for line in lines]).astype(int)
    frequency = np.arange(60)
    centre = bands @ frequency / bands.sum(axis=1)
    spread = np.sqrt(bands @ frequency**2 / bands.sum(axis=1) - centre**2)
    features = {"energy": bands.sum(axis=1), "centre": centre, "bandwidth": spread}
    x = (bands - bands.mean(axis=0)) / bands.std(axis=0)

    def trained(seed: int, learned: int) -> Recording:
        network = Network(60, (12,), 2, "logistic")
        epochs = 100 if learned else 1
        how = {"batch_size": 32, "dtype": "float64", "seed": seed}
        return watch(network, (x, mine), optimizer=AdamW(0.003), epochs=epochs, **how)[1]

    compare("sonar", features, None, trained)


if __name__ == "__main__":
    family_trees(Path(sys.argv[1]) / "family_trees")
    sonar(Path(sys.argv[1]) / "sonar")
