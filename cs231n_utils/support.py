"""What layers and training loops need besides equations: settings put back, generators apart."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any


@contextmanager
def put_back(thing: Any, name: str) -> Iterator[None]:
    """Put an attribute back in the end, also after an error or Ctrl-C. Of None there is none."""
    before = getattr(thing, name, None)
    try:
        yield
    finally:
        if thing is not None:
            setattr(thing, name, before)


def drawing_layers(layers: Sequence[Any]) -> Iterator[Any]:
    """Yield the layers that draw random numbers from an `rng`, those inside others, too."""
    for layer in layers:
        if hasattr(layer, "rng"):
            yield layer
        yield from drawing_layers(getattr(layer, "layers", []))


def with_own_generators(layers: Sequence[Any]) -> list[Any]:
    """The layers, each with a generator of its own if it would draw the numbers of an earlier one.

    Layers made with one seed do; layers that share one Generator do not, and keep it.
    """
    seen: dict[str, Any] = {}  # the state of a generator -> the generator
    for layer in drawing_layers(layers):
        while seen.setdefault(str(layer.rng.bit_generator.state), layer.rng) is not layer.rng:
            [layer.rng] = layer.rng.spawn(1)
    return list(layers)


def own_copy(model: Any) -> Any:
    """A copy of a model that shares its parameters, and draws random numbers of its own."""
    memo = {id(array): array for array in model.params.values()}
    memo |= {id(layer.rng): layer.rng.spawn(1)[0] for layer in drawing_layers([model])}
    return deepcopy(model, memo)  # which makes no copy of what stands in memo
