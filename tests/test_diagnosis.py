"""check_model names the parameter and the cause, accuses no correct model and restores all."""

import re

import numpy as np
import pytest
from strategies import bits

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.gradient_check import GradientCheckError, check_gradient, check_model
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    Dropout,
    ReLU,
    Residual,
    Sequential,
    deep_net,
)
from cs231n_utils.taught.losses import softmax
from tools import faulty_gradients as made
from tools import faulty_layers as deep
from tools.faulty_gradients import PASSED, Faulty, Network, student


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


# Deep models: the layer and the cause.


def bits_of(model, *batch):
    """Everything that a check must leave alone."""
    states = [layer.state for layer in deep.every(model)]
    return bits(*batch, *model.params.values(), *(v for state in states for v in state.values()))


def numbers(place):
    return [int(number) for number in place.split(".")]


@pytest.mark.parametrize(
    ("faults", "least", "share"),
    [
        (lambda: [*deep.fresh(seed=1, tries=1, deepest=4)][::2], 38, 0.03),
        (lambda: [*deep.fresh_images(seed=1, tries=1)][::3], 40, 0.05),
    ],
    ids=["rows", "images"],
)
def test_of_deep_models_the_right_layer_and_cause_come_first(faults, least, share):
    answers = []
    for fault in faults():
        before = bits_of(fault.model, fault.X, fault.y)
        answers.append((fault, fault.causes()))
        assert bits_of(fault.model, fault.X, fault.y) == before
    assert len(answers) >= least
    missed = made.misses(answers)
    assert len(missed) <= share * len(answers), "\n".join(missed)
    for fault, named in answers:
        assert PASSED not in named, fault.what
        assert fault.error.layer == fault.layer, fault.what
        if at := fault.layer:
            kind = type(dict(deep.places(fault.model))[at]).__name__
            words = ".".join(f"layers[{number}]" for number in numbers(at))
            assert str(fault.error).startswith(f"{words}, {kind}("), fault.what
            place = numbers(fault.error.parameter.rpartition(".")[0])
            assert place[: len(numbers(at))] <= numbers(at), fault.what


def test_a_fault_deep_inside_is_named_at_every_depth():
    """The mask of one ReLU is missing, in the first half and in the second, in up to 20 maps."""
    for depth in (2, 5, 20):
        for place in {1, depth // 2 * 2 - 1}:
            rng = np.random.default_rng(depth)
            net = deep_net([3, *[6] * (depth - 1), 4], rng=rng)
            net.layers[place].__class__ = deep.written(ReLU, "dOut * (X > 0)", "dOut")
            with pytest.raises(GradientCheckError) as caught:
                check_model(net, rng.standard_normal((5, 3)), np.arange(5) % 4)
            error = caught.value
            assert (error.layer, error.causes) == (str(place), ("relu_off",))
            assert error.parameter == f"{place - 1}.b"
            first = f"layers[{place}], ReLU(): its dX is wrong: ReLU's mask is missing (dX = dY, "
            assert str(error).startswith(f"{first}right is dY * (X > 0))")


def test_a_fault_is_named_where_gradients_vanish():
    """The first slopes drown in round-off, and zeros at kinks make right ones look wrong."""
    net, rng = deep_net([3, *[6] * 19, 4], std=0.01), np.random.default_rng(0)
    X, y = rng.standard_normal((5, 3)), np.arange(5) % 4
    check_model(net, X, y)
    net.layers[7].__class__ = deep.written(ReLU, "dOut * (X > 0)", "dOut")
    with pytest.raises(GradientCheckError) as caught:
        check_model(net, X, y)
    error = caught.value
    assert (error.layer, error.causes, error.parameter) == ("7", ("relu_off",), "6.b")


def test_a_fault_of_all_layers_of_a_class_is_named_at_the_last_and_once_in_full():
    net, rng = deep_net([3, *[5] * 6, 4], norm=BatchNorm), np.random.default_rng(0)
    faulty = deep.written(BatchNorm, deep.VARIANCE, "dcentred")
    for layer in net.layers[1::3]:
        layer.__class__ = faulty
    with pytest.raises(GradientCheckError) as caught:
        check_model(net, rng.standard_normal((7, 3)), np.arange(7) % 4)
    error, message = caught.value, str(caught.value)
    assert (error.layer, error.causes) == ("16", ("variance_term",))
    assert message.count("right is scale * ") == 1
    assert message.count("its dX is wrong, too: variance_term.") == 5


def test_no_correct_deep_model_is_accused_and_nothing_is_changed():
    depths = [2, 3, 4] * 4 + [8, 20]
    for net in [deep.Drawn(seed, depth) for seed, depth in enumerate(depths)]:
        before = bits_of(net.net, net.X, net.y)
        check_model(net.net, net.X, net.y, net.reg)
        assert bits_of(net.net, net.X, net.y) == before


def test_a_bias_before_a_batch_norm_has_the_gradient_0():
    net, rng = deep_net([3, 5, 2], norm=BatchNorm), np.random.default_rng(0)
    report = check_model(net, rng.standard_normal((6, 3)), np.arange(6) % 2, 0.1)
    assert "all 5 entries of shape (5,) and of a reference pass agree" in repr(report["0.b"])
    net.layers[0].__class__ = deep.written(
        Affine, "np.sum(dOut, axis=0)", "np.sum(dOut**2, axis=0)"
    )
    with pytest.raises(GradientCheckError) as caught:
        check_model(net, rng.standard_normal((6, 3)), np.arange(6) % 2)
    assert (caught.value.layer, caught.value.parameters) == ("0", ("0.b",))


def test_a_mask_that_is_drawn_anew_is_to_be_fixed():
    layers = [Affine(3, 4), Residual([Affine(4, 4, rng=1), Dropout(0.5)]), Affine(4, 2, rng=2)]
    net, X, y = Sequential(layers), np.ones((5, 3)), np.arange(5) % 2
    with pytest.raises(
        GradientCheckError, match=r"layers\[1\]\.layers\[1\]\.redraw = False"
    ) as caught:
        check_model(net, X, y)
    assert (caught.value.layer, caught.value.causes) == ("1.1", ("not_deterministic",))
    net.layers[1].layers[1].redraw = False
    check_model(net, X + np.arange(3), y)


def test_another_loss_of_scores_is_checked_on_its_own():
    net, rng = deep_net([3, 5, 4]), np.random.default_rng(0)
    X, y = rng.standard_normal((6, 3)), np.arange(6) % 4

    def squares(S, y, factor=1.0):
        return float(np.mean(S**4)), factor * 4 * S**3 / S.size

    net.loss_of_scores = squares
    check_model(net, X, y, 0.1)
    net.loss_of_scores = lambda S, y: squares(S, y, factor=2.0)
    with pytest.raises(GradientCheckError, match="loss_of_scores: dS is wrong") as caught:
        check_model(net, X, y, 0.1)
    assert (caught.value.causes, caught.value.layer) == (("factor 2",), None)


def test_an_l2_term_that_one_layer_lacks_is_named_there():
    net, rng = deep_net([3, 5, 5, 4]), np.random.default_rng(0)
    loss = net.loss

    def without(X, y, reg):
        value, grads = loss(X, y, reg)
        return value, grads | {"2.W": grads["2.W"] - reg * net.params["2.W"]}

    net.loss = without
    with pytest.raises(GradientCheckError, match=r"d2\.W is wrong") as caught:
        check_model(net, rng.standard_normal((6, 3)), np.arange(6) % 4, 0.1)
    error = caught.value
    assert (error.layer, error.parameters, error.causes) == ("2", ("2.W",), ("reg_missing",))


@pytest.mark.parametrize("last", [1, 4, 12, 40, 150])
def test_deep_models_are_restored_when_a_layer_gives_up(last):
    net, calls, X = (
        deep_net([3, 4, 4, 2], norm=BatchNorm),
        [],
        np.random.default_rng(0).random((4, 3)),
    )

    class GivesUp(ReLU):
        def forward(self, X, training=False):
            calls.append(1)
            if len(calls) == last:
                raise KeyboardInterrupt
            return super().forward(X, training)

    net.layers[5].__class__ = GivesUp
    before = bits_of(net, X)
    with pytest.raises(KeyboardInterrupt):
        check_model(net, X, np.arange(4) % 2, 0.1)
    assert bits_of(net, X) == before
