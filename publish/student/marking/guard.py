"""What a hand-in could bend, put back before each check: this runs in the hand-in's own kernel.

Code that shares a process with its checks can always reach them somehow. So this puts back what a
student is likely to bend, and bending.py tells the instructor what looks like trying.
"""

import builtins
import gc
import hashlib
import sys
import threading
from copy import copy
from types import FunctionType, ModuleType
from typing import Any

KEPT = ("numpy", "cs231n_utils", "math", "IPython", "ipykernel", "builtins")
CHECKED = ("numpy", "cs231n_utils", "math", "builtins")  # what no hand-in has to change
PARTS = ("__code__", "__defaults__", "__kwdefaults__")  # of a function
ALIKE = ("abs", "max", "min", "round", "sum")  # NumPy's do for a check what Python's do
SHOWN = 10_000_000  # characters of a notebook: who grades keeps them in memory


class Guard:
    """Remembers modules, functions, the shell and a notebook's names; puts them back.

    Parameters
    ----------
    shell : Any
        IPython's, before the first cell runs.
    imports : str
        Statements that load what the checks use.
    secret : str
        What `put_back` proves to have been given.
    answers : list of str
        Names that students are to write: what an import gives them is not kept.
    """

    def __init__(self, shell: Any, imports: str, secret: str, answers: list[str]) -> None:
        imported: dict[str, Any] = {}
        exec(imports, imported)
        shell.unobserve_all("exit_now")  # exit() and quit() end nothing
        self.shell, self.secret = shell, secret
        self.modules = {
            name: module
            for name, module in list(sys.modules.items())
            if isinstance(module, ModuleType) and name.partition(".")[0] in KEPT
        }
        self.spaces = [(module, dict(vars(module))) for module in self.modules.values()]
        found = [value for _, space in self.spaces for value in space.values()]
        self.classes = {each: dict(vars(each)) for each in found if is_open(each)}
        for attributes in self.classes.values():
            found += [getattr(value, "__func__", value) for value in attributes.values()]
        self.functions: dict[FunctionType, list[Any]] = {}
        self.keep_functions(found)
        self.objects = [(each, dict(vars(each))) for each in (shell, shell.kernel)]
        manager = shell.input_transformer_manager
        names = ("cleanup_transforms", "line_transforms", "token_transformers")
        self.lists = [(each, list(each)) for each in map(manager.__getattribute__, names)]
        self.lists += [(shell.ast_transformers, []), (shell.input_transformers_post, [])]
        own = {"get_ipython", "open", "exit", "quit"} & shell.user_ns.keys()
        self.names = {name: shell.user_ns[name] for name in own}
        kept = imported.keys() - {"__builtins__", *answers}
        self.names |= {name: imported[name] for name in kept}

    def keep_functions(self, values: list[Any]) -> None:
        """Remember what is inside of functions."""
        for each in values:
            if isinstance(each, FunctionType):
                self.functions[each] = [copy(getattr(each, part)) for part in PARTS]

    def note(self, names: list[str]) -> None:
        """Remember what a cell that the student got has just given to names."""
        space = self.shell.user_ns
        self.names |= {name: space[name] for name in names if name in space}
        self.keep_functions([self.names[name] for name in names if name in space])

    def changed(self) -> list[str]:
        """What checks use of modules, and functions, that is not what it was: by name."""
        found = [
            f"{module.__name__}.{name}"
            for module, space in self.spaces
            if module.__name__.partition(".")[0] in CHECKED
            for name, value in space.items()
            if callable(value) and vars(module).get(name) is not value
            if name not in ("get_ipython", "input")  # the kernel's own, other in each cell
        ]
        found += [
            f"{each.__module__}.{each.__qualname__}"
            for each, parts in self.functions.items()
            if not all(map(is_same, parts, map(each.__getattribute__, PARTS)))
        ]
        found += [
            f"{each.__module__}.{each.__qualname__}.{name}"
            for each, attributes in self.classes.items()
            for name, value in attributes.items()
            if callable(value) and vars(each).get(name) is not value
        ]
        return sorted({name for name in found if name.partition(".")[0] in CHECKED})

    def put_back(self, names: list[str], nonce: str) -> str:
        """Put everything back, and of the notebook's names these: others may be the answers' own.

        It returns what nothing else could answer to a number that is used once, and what changed.
        """
        changed = self.changed()
        sys.settrace(None)
        sys.setprofile(None)
        threading.settrace(None)
        gc.callbacks.clear()
        sys.modules.update(self.modules)
        for module, space in self.spaces:
            restore(vars(module), space)
        for function, parts in self.functions.items():
            for part, value in zip(PARTS, parts, strict=True):
                if isinstance(value, dict):  # which can be changed in place
                    setattr(function, part, dict(value))
                elif getattr(function, part) is not value:
                    setattr(function, part, value)
        for each, attributes in self.classes.items():
            for name in vars(each).keys() - attributes:
                if isinstance(vars(each)[name], FunctionType):
                    type.__delattr__(each, name)
            for name, value in attributes.items():
                if vars(each).get(name) is not value and callable(value):
                    type.__setattr__(each, name, value)
        for each, attributes in self.objects:
            for name in vars(each).keys() - attributes:
                if callable(vars(each)[name]):
                    del vars(each)[name]
        for each, items in self.lists:
            each[:] = items
        for callbacks in self.shell.events.callbacks.values():
            callbacks[:] = [each for each in callbacks if is_known(each)]
        self.shell.custom_exceptions = ()
        space = self.shell.user_ns
        numpys = {name: vars(self.modules["numpy"])[name] for name in ALIKE}
        for name in vars(builtins).keys() & space.keys() & {*names} - self.names.keys():
            if space[name] is not numpys.get(name):  # an answer may need it
                del space[name]
        restore(space, {name: self.names[name] for name in names if name in self.names})
        return " ".join([hashlib.sha256(f"{self.secret}{nonce}".encode()).hexdigest(), *changed])


def bounded(session: Any) -> None:
    """Let a notebook print and show so much, also from a thread; what follows is dropped."""
    send, shown = session.send, [0]

    def limited(socket: Any, message: Any, *arguments: Any, **options: Any) -> Any:
        content = message.get("content", {}) if isinstance(message, dict) else {}
        parts = [content.get("text", ""), *content.get("data", {}).values()]
        shown[0] += sum(len(part) for part in parts if isinstance(part, str))
        if shown[0] <= SHOWN or not any(parts):
            return send(socket, message, *arguments, **options)
        return message

    session.send = limited


def undrawn() -> None:
    """Let figures show their text alternative alone: to draw them takes most of the time."""
    from cs231n_utils.plots import DescribedFigure

    def shown(figure: DescribedFigure, **_: Any) -> dict[str, str]:
        return {"text/plain": f"Figure: {figure.alt}"}

    DescribedFigure._repr_mimebundle_ = shown  # type: ignore[assignment,method-assign]


def restore(space: dict[str, Any], kept: dict[str, Any]) -> None:
    """Give names back what they meant."""
    missing = object()
    for name, value in kept.items():
        if space.get(name, missing) is not value:
            space[name] = value


def is_same(kept: Any, now: Any) -> bool:
    """Whether a part of a function is what it was; of a dict, which changes in its place, all."""
    if isinstance(kept, dict) and isinstance(now, dict):
        return kept.keys() == now.keys() and all(kept[name] is now[name] for name in kept)
    return kept is now


def is_open(value: Any) -> bool:
    """Whether a class is one whose attributes can be set."""
    return isinstance(value, type) and bool(value.__flags__ & 1 << 9)  # a heap type


def is_known(callback: Any) -> bool:
    """Whether what the shell calls before or after a cell is IPython's or the package's."""
    return str(getattr(callback, "__module__", "")).partition(".")[0] in KEPT
