"""check_model names the parameter and the cause, accuses no correct model and restores all."""

import re

import faulty_gradients as made
import numpy as np
import pytest
from faulty_gradients import PASSED, Faulty, Network, student
from strategies import bits

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.gradient_check import GradientCheckError, check_gradient, check_model
from cs231n_utils.taught.losses import softmax


def causes(fault):
    """The causes that are named; every parameter is restored."""
    before = bits(*fault.params.values())
    named = fault.causes()
    assert bits(*fault.params.values()) == before
    return named


def changed(change):
    """A network of which a function changes what the loss returns."""
    net = Network(0, 7, 4, 6, 3, reg=0.3)
    loss = net.net.loss
    return Faulty("", "", net.params, lambda *batch: change(*loss(*batch)), net.X, net.y, 0.3)


@pytest.mark.parametrize(
    ("faults", "least"), [(made.tuned, 170), (lambda: list(made.fresh(seed=2))[::3], 120)]
)
def test_the_right_cause_comes_first_in_97_percent_and_none_passes(faults, least):
    answers = [(fault, causes(fault)) for fault in faults()]
    assert len(answers) >= least
    missed = made.misses(answers)
    assert len(missed) <= 0.03 * len(answers), "\n".join(missed)
    assert not [fault.what for fault, named in answers if PASSED in named]
    for row in made.confusion(answers).splitlines():
        label, number, named = re.fullmatch(r"(.*?) +(\d+)   (.*)", row).groups()
        right = re.search(rf"\b{label} (\d+)", named)
        assert 2 * int(right[1]) > int(number), row
    for fault, _ in answers:
        _, _, diagnosis = str(fault.error).partition("Diagnosis:")
        for number in re.findall(r"\d+\.\d+", diagnosis.partition("\nd")[0]):
            assert len(number.replace(".", "").lstrip("0")) <= 3, diagnosis


def test_no_correct_model_is_accused():
    assert not made.accusations(made.correct(200))


def test_a_smaller_step_lets_no_fault_pass():
    """Networks at kinks and close to round-off, one wrong entry or all wrong by 0.2 %."""
    tried = 0
    for net in made.correct(30):
        for key, right in net.net.loss(net.X, net.y, net.reg)[1].items():
            one = np.zeros_like(right)
            one.flat[right.size // 2] = np.abs(right).max()
            for fault in (one, right) if right.any() else ():
                with pytest.raises(GradientCheckError):
                    check_gradient(net.loss, net.params[key], right + 2e-3 * fault)
                tried += 1
    assert tried > 200


def test_the_report_has_a_line_for_each_parameter_and_says_how():
    X, y = np.random.default_rng(0).standard_normal((20, 64)), np.arange(20) % 10
    report = check_model(TwoLayerNet(64, 100, 10, std=0.1), X, y, 0.1)
    compared = [line.partition(" agree, ")[0] for line in repr(report).splitlines()]
    assert compared == [
        "dW1: 4 random directions through all 6,400 parameters",
        "db1: all 100 entries of shape (100,)",
        "dW2: all 1,000 entries of shape (100, 10)",
        "db2: all 10 entries of shape (10,)",
    ]
    assert list(check_model(SoftmaxClassifier(64, 10), X, y, 0.1)) == ["W", "b"]


ANSWERS = [  # what a student's loss returns, the causes, the parameters at fault, the message
    (lambda loss, g: (loss, g | {"W1": -g["W1"]}), "sign", "W1", "^dW1 is.*\nRight: db1, dW2, db2"),
    (lambda loss, g: (loss, g | {"b1": -g["b1"]}), "sign", "b1", "^db1 is.*\nRight: dW1, dW2, db2"),
    (lambda loss, g: (loss, g | {"W2": -g["W2"]}), "sign", "W2", "^dW2 is.*\nRight: dW1, db1, db2"),
    (lambda loss, g: (loss, g | {"b2": -g["b2"]}), "sign", "b2", "^db2 is.*\nRight: dW1, db1, dW2"),
    (
        lambda loss, g: (loss, g | {"b1": -g["b1"], "W2": 7 * g["W2"]}),
        "factor N, sign",
        "b1 W2",
        "too: ",
    ),
    (lambda loss, g: (loss, g | {"W2": g["W2"] ** 2}), "unknown", "W2", "none of the known faults"),
    (lambda loss, g: (loss, {"W1": g["W1"]}), "missing", "b1 W2 b2", "keys"),
    (lambda loss, g: (loss, g | {"b1": None}), "missing", "b1", "keys"),
    (lambda loss, g: (loss, g | {"dX": g["W1"]}), "extra", "", "keys"),
    (lambda loss, g: (loss, g | {"W2": g["W2"].T}), "transpose", "W2", "^dW2 has shape"),
    (lambda loss, g: (loss, g | {"W2": g["W2"][:2]}), "shape", "W2", "^dW2 has shape"),
    (lambda loss, g: (loss, g | {"W2": g["W2"] * np.nan}), "not_finite", "W2", "NaN or infinite"),
    (lambda loss, g: (np.nan, g), "not_finite", "", "overflow"),
    (lambda loss, g: (loss + np.random.default_rng().random(), g), "not_deterministic", "", "seed"),
]


@pytest.mark.parametrize(("change", "named", "parameters", "message"), ANSWERS)
def test_what_students_return(change, named, parameters, message):
    fault = changed(change)
    assert sorted(causes(fault)) == named.split(", ")
    keys = tuple(parameters.split())
    assert (fault.error.parameters, fault.error.parameter) == (keys, (*keys, None)[0])
    assert re.search(message, str(fault.error), re.DOTALL)


def test_a_planted_fault_is_proved_in_the_words_of_the_student():
    fault = Network(0, 7, 4, 6, 3, reg=0.3).fault("relu_off", "W1", "X.T @ dA + l2")
    assert causes(fault) == ("relu_off",)
    assert "(dZ = dA, right is dA * (Z > 0)). A backward pass with this" in str(fault.error)


def test_a_gradient_that_grows_from_call_to_call():
    net = Network(0, 7, 4, 6, 3)
    grows = "for key in grads: grads[key] = first[key] = first[key] + grads[key]"
    fault = Faulty("", "", net.params, student(made.NETWORK + grows, net.params), net.X, net.y)
    assert causes(fault) == ("accumulated",)


@pytest.mark.parametrize(("dtype", "cause"), [(np.float32, "float32"), (int, "integer")])
def test_parameters_of_another_type(dtype, cause):
    fault = changed(lambda *answer: answer)
    fault.params["W2"] = fault.params["W2"].astype(dtype)
    assert (causes(fault), fault.error.parameter) == ((cause,), "W2")


@pytest.mark.parametrize("answer", [1.0, (1.0, [1.0]), (np.ones(2), {})])
def test_a_loss_that_is_no_pair_is_refused(answer):
    with pytest.raises(TypeError, match="loss"):
        changed(lambda *_: answer).causes()


@pytest.mark.parametrize("last", [1, 3, 8, 20, 60])
def test_parameters_and_inputs_are_restored_when_the_loss_gives_up(last):
    calls = []

    def give_up(*answer):
        calls.append(1)
        if len(calls) == last:
            model.X[...], model.params["b2"][...] = 0.0, 0.0
            raise KeyboardInterrupt
        return answer

    model = changed(give_up)
    before = bits(model.X, *model.params.values())
    with pytest.raises(KeyboardInterrupt):
        model.causes()
    assert bits(model.X, *model.params.values()) == before


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, bool])
def test_inputs_of_another_type_are_no_fault(dtype):
    net, X = TwoLayerNet(4, 6, 3, std=0.01, rng=3), np.arange(20).reshape(5, 4) % 7
    check_model(net, X.astype(dtype), np.arange(5) % 3, 0.1)


def test_a_black_image_at_the_start_is_a_kink_and_no_wrong_gradient():
    net, X = TwoLayerNet(4, 6, 3, std=0.5), np.random.default_rng(0).standard_normal((5, 4))
    X[1] = 0.0
    with pytest.raises(GradientCheckError, match="db1 cannot be judged, it may be right") as caught:
        check_model(net, X, np.arange(5) % 3)
    assert (caught.value.causes, caught.value.parameters) == (("kink",), ("b1",))


DEEP = f"""
N = len(X)
Z0 = X @ v0 + c0
A0 = np.maximum(Z0, 0)
Z1 = A0 @ v1 + c1
A1 = np.maximum(Z1, 0)
S = A1 @ v2 + c2
{made.SOFTMAX}
dZ1 = dS @ v2.T * (Z1 > 0)
dZ0 = dZ1 @ v1.T  # the fault
grads = {{"v0": X.T @ dZ0, "v1": A0.T @ dZ1, "v2": A1.T @ dS}}
grads |= {{"c0": dZ0.sum(axis=0), "c1": dZ1.sum(axis=0), "c2": dS.sum(axis=0)}}
"""


def test_names_do_not_matter_and_depth_neither():
    """Three layers of other names; the mask is missing in the first alone."""
    rng = np.random.default_rng(0)
    params = {f"v{k}": rng.standard_normal((5, 5)) for k in range(3)}
    params |= {f"c{k}": rng.standard_normal(5) for k in range(3)}
    X, y = rng.standard_normal((6, 5)), np.arange(6) % 5
    assert causes(Faulty("", "", params, student(DEEP, params), X, y)) == ("relu_off",)


def test_an_unknown_number_of_examples_is_asked_for():
    x = np.random.default_rng(0).standard_normal((2, 2))
    with pytest.raises(GradientCheckError, match=r"5 times .* Is 5 the number of your examples\?"):
        check_gradient(lambda x: float(np.sum(x**3)), x, 15 * x**2)


def test_a_loss_that_is_nearly_that_of_the_series_proves_nothing():
    """log(p + 1e-8): its gradient is not the series', and no float32 and no mask is at fault."""
    rng = np.random.default_rng(0)
    net, X, y = TwoLayerNet(6, 5, 4, std=0.7), rng.standard_normal((7, 6)), rng.integers(0, 4, 7)

    def loss(X, y, reg):
        p = softmax(net.loss(X))[np.arange(len(y)), y]
        return -np.mean(np.log(p + 1e-8)), net.loss(X, y)[1]

    assert set(causes(Faulty("", "", net.params, loss, X, y))) == {"unknown"}
