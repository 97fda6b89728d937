"""Test accuracy of the two-layer network on CIFAR-10, and the seconds that training takes.

    python -m benchmarks.cifar10            the recipe of notebook 12 and its longer form
    python -m benchmarks.cifar10 recipe     one of them

Each is trained with three seeds on 49,000 images. The test images are used once for each network.
Needs the data: `make data`.
"""

import sys
import time

import numpy as np

from cs231n_utils.datasets import load_cifar10
from cs231n_utils.taught.augmentation import random_flips, random_shifts
from cs231n_utils.taught.cifar10 import centre_in_place, network, train_by_recipe
from cs231n_utils.taught.linear import accuracy
from cs231n_utils.threads import use_all_threads

IMAGE_SHAPE = (32, 32, 3)
flip, shift = random_flips(IMAGE_SHAPE), random_shifts(IMAGE_SHAPE, 1)


def flip_and_shift(X, rng):
    """Both augmentations, one after the other."""
    return shift(flip(X, rng), rng)


RECIPES = {  # hidden units, epochs, changes
    "recipe": (500, 15, {}),
    "longer": (1000, 40, {"augment": flip_and_shift}),
}
SEEDS = range(3)


def main() -> None:
    """Train, test and print."""
    use_all_threads()
    try:
        cifar = load_cifar10()
    except FileNotFoundError as error:
        print(f"skipped: {error}")
        return
    centre_in_place(cifar)
    print(f"{'':8}{'units':>6}{'epochs':>8}{'seed':>6}{'seconds':>9}{'validation':>12}{'test':>8}")
    for name in sys.argv[1:] or RECIPES:
        hidden_size, num_epochs, changes = RECIPES[name]
        test = []
        for seed in SEEDS:
            net, start = network(hidden_size, seed), time.perf_counter()
            history = train_by_recipe(net, cifar, num_epochs, rng=seed, **changes)
            seconds = time.perf_counter() - start
            test.append(accuracy(net.predict(cifar.X_test), cifar.y_test))
            print(
                f"{name:8}{hidden_size:>6}{num_epochs:>8}{seed:>6}{seconds:>9.0f}"
                f"{history['val_acc_history'][-1]:>12.1%}{test[-1]:>8.2%}",
                flush=True,
            )
        print(f"{name:8}mean {np.mean(test):.2%}, standard deviation {np.std(test, ddof=1):.2%}")


if __name__ == "__main__":
    main()
