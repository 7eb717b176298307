"""How long the import of each function takes, and of the libraries that it imports: most of a cold start.

    python -m tests.import_time [rounds]

Each figure is the median of fresh interpreters, taken in turns. The second one is the limit: what other people's
modules take that the function brings in, imported in the same order without a line of ours.
"""

import sys
from statistics import median

from tests.importing import FUNCTIONS, libraries, seconds

MILLI = 1_000


def main(rounds: int = 9) -> None:
    brought = {function: libraries(function) for function in FUNCTIONS}
    print(f"import times in ms, median of {rounds} fresh interpreters each; Python {sys.version.split()[0]}\n")
    print(f"{'function':<10} {'all of it':>10} {'libraries':>10} {'ratio':>6}")
    for function, modules in brought.items():
        pairs = [(seconds([f"{function}.app"]), seconds(modules)) for _ in range(rounds)]
        whole, bare = (MILLI * median(times) for times in zip(*pairs, strict=True))
        print(f"{function:<10} {whole:>10.0f} {bare:>10.0f} {whole / bare:>6.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
