"""What a sampler costs: CPU seconds to ask for all trials of a search, as MIPRO asks, without measuring anything.

    python -m benchmarks.sampler           # minutes
    python -m benchmarks.sampler --quick   # up to 50 parameters, once each

*Best* is the largest planted value among the trials, of 1. Eight options a parameter; trials in eight batches, the
model built anew for each, the first quarter at random.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence

from treadle.optimizers.menu import Combination, Menu
from treadle.optimizers.sampling import Observation, SamplerName, samplers

OPTIONS = 8
NAMES: Sequence[SamplerName] = ("tpe", "thompson")


NOISE = 0.02
"""Standard deviation of what is added to a planted value."""


def worth(combination: Combination) -> float:
    """The planted value: the share of parameters at their best option."""
    good = sum(option == (place * 3) % OPTIONS for place, option in enumerate(combination))
    return good / len(combination)


def run(name: SamplerName, parameters: int, trials: int, seed: int) -> tuple[float, float]:
    """CPU seconds of one search's asking, and the best value found."""
    menu = Menu(options={f"p{n:03}.instruction": tuple(range(OPTIONS)) for n in range(parameters)})
    make, rng = samplers()[name], random.Random(seed)
    seen = [Observation(combination=menu.original, value=0.0)]
    used, batch = 0.0, max(1, trials // 8)
    while len(seen) <= trials:
        count = min(batch, trials + 1 - len(seen))
        if len(seen) <= trials // 4:
            asked = menu.balanced(count, [o.combination for o in seen], rng)
        else:
            begun = time.process_time()
            model = make(menu, seen)
            asked = []
            for _ in range(count):
                asked.append(model.suggest(rng.getrandbits(32)))
                model.tell(Observation(combination=asked[-1], value=None))
            used += time.process_time() - begun
        seen += [Observation(combination=c, value=worth(c) + rng.gauss(0, NOISE), error=NOISE) for c in asked]
    return used, max(worth(observation.combination) for observation in seen)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 50 parameters, once each")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    seeds = 1 if options.quick else options.seeds
    for name in NAMES:
        run(name, 2, 16, 0)  # imports
    heads = [f"{name}: CPU s | ms a trial | best" for name in NAMES]
    print(f"| parameters | trials | {' | '.join(heads)} | thompson / tpe |")
    print("|---" * (3 + 3 * len(NAMES)) + "|")
    for parameters in (2, 10, 50) if options.quick else (2, 10, 50, 200):
        for trials in (50, 200):
            found = {name: [run(name, parameters, trials, seed) for seed in range(seeds)] for name in NAMES}
            seconds = {name: statistics.fmean(used for used, _ in runs) for name, runs in found.items()}
            cells = [
                f"{seconds[name]:.3f} | {1000 * seconds[name] / trials:.2f} | "
                f"{statistics.fmean(best for _, best in runs):.2f}"
                for name, runs in found.items()
            ]
            ratio = seconds["thompson"] / seconds["tpe"] if seconds["tpe"] else 0.0
            print(f"| {parameters} | {trials} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
