"""check_model names parameter, layer and cause, accuses no correct model, restores everything."""

import re
from itertools import islice

import labelled_faults as labelled
import numpy as np
import pytest
from strategies import bits

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.gradient_check import GradientCheckError, check_model
from cs231n_utils.taught.layers import (
    Affine,
    BatchNorm,
    Dropout,
    ReLU,
    Residual,
    Sequential,
    deep_net,
    gathered,
)


def failure(model, *batch):
    """The error of a model's check, which leaves everything as it was."""
    before = state_of(model, *batch)
    with pytest.raises(GradientCheckError) as caught:
        check_model(model, *batch)
    assert state_of(model, *batch) == before
    return caught.value


def state_of(model, *batch):
    """Everything that a check must leave alone."""
    states = [layer.state for layer in getattr(model, "layers", ())]
    states += [model.params]
    return bits(*batch, *(value for state in states for value in state.values()))


def shares_of(faults):
    """How often cause, layer and parameter are named first; a message gives no digits away."""
    answers = []
    for fault in faults:
        before = state_of(fault.model, fault.X, fault.y)
        answers.append(fault.check())
        assert state_of(fault.model, fault.X, fault.y) == before, fault.what
    assert len(answers) > 3
    return np.mean(answers, axis=0)


def test_the_right_cause_comes_first_mostly_and_the_right_place_always():
    cause, layer, parameter = shares_of(islice(labelled.plain_faults(seed=1), 0, None, 12))
    assert layer == parameter == 1
    assert cause >= 0.9
    _, layer, parameter = shares_of(islice(labelled.deep_faults(seed=1, tries=1), 0, None, 18))
    assert layer == parameter == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "least"), [(labelled.plain_faults(2), 0.9), (labelled.deep_faults(2, tries=1), 0.6)]
)
def test_of_all_labelled_faults(faults, least):
    cause, layer, parameter = shares_of(faults)
    assert layer == parameter == 1
    assert cause >= least


@pytest.mark.parametrize("models", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_no_correct_model_is_accused(models):
    assert not labelled.accusations(labelled.correct(models))


def small(seed=0):
    """A network of two layers on random data."""
    rng = np.random.default_rng(seed)
    return TwoLayerNet(4, 6, 3, std=0.7, rng=rng), rng.standard_normal((7, 4)), np.arange(7) % 3


class Changed:
    """A network of which a function changes what the loss returns."""

    def __init__(self, net, change):
        self.params, self.net, self.change = net.params, net, change

    def loss(self, X, y, reg):
        """The loss and the gradients."""
        return self.change(*self.net.loss(X, y, reg))


ANSWERS = [  # what a student's loss returns, the causes, the parameters at fault, the message
    (lambda loss, g: (loss, g | {"W1": -g["W1"]}), "sign", "W1", "^dW1 is"),
    (lambda loss, g: (loss, g | {"b2": -g["b2"]}), "sign", "b2", "(?s)^db2 is.*\nRight: d"),
    (lambda loss, g: (loss, {"W1": g["W1"]}), "missing", "b1 W2 b2", "keys"),
    (lambda loss, g: (loss, g | {"b1": None}), "missing", "b1", "keys"),
    (lambda loss, g: (loss, g | {"dX": g["W1"]}), "extra", "", "keys"),
    (lambda loss, g: (loss, g | {"W2": g["W2"] ** 2}), "unknown", "W2", "Start from the worst"),
    (lambda loss, g: (loss, g | {"W2": g["W2"].T}), "transpose", "W2", "^dW2 has shape"),
    (lambda loss, g: (loss, g | {"W2": g["W2"][:2]}), "shape", "W2", "^dW2 has shape"),
    (lambda loss, g: (loss, g | {"W2": g["W2"] * np.nan}), "not_finite", "W2", "NaN"),
    (lambda loss, g: (np.nan, g), "not_finite", "", "overflow"),
    (lambda loss, g: (loss + np.random.default_rng().random(), g), "not_deterministic", "", "seed"),
]


@pytest.mark.parametrize(("change", "cause", "parameters", "message"), ANSWERS)
def test_what_students_return(change, cause, parameters, message):
    net, X, y = small()
    error = failure(Changed(net, change), X, y, 0.3)
    keys = tuple(parameters.split())
    assert (error.causes, error.parameters, error.parameter) == ((cause,), keys, (*keys, None)[0])
    assert re.search(message, str(error))


def test_two_faults_are_both_told():
    net, X, y = small()
    error = failure(
        Changed(net, lambda f, g: (f, g | {"b1": -g["b1"], "W2": 7 * g["W2"]})), X, y, 0
    )
    assert ({*error.causes}, error.parameters) == ({"factor N", "sign"}, ("W2", "b1"))
    assert "db1 is wrong, too: every entry is -1 times" in str(error)


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


def test_of_a_large_parameter_the_wrong_entry_is_found():
    X, y = np.random.default_rng(0).standard_normal((5, 300)), np.arange(5) % 3
    net = TwoLayerNet(300, 40, 3, std=0.1)
    fault = np.zeros((300, 40))
    fault[217, 31] = 1.0
    error = failure(Changed(net, lambda f, g: (f, g | {"W1": g["W1"] + fault})), X, y, 0.1)
    assert error.parameter == "W1"
    assert "dW1[217, 31]: analytic" in str(error)


@pytest.mark.parametrize("dtype", [np.float32, int])
def test_parameters_of_another_type(dtype):
    net, X, y = small()
    net.params["W2"] = net.params["W2"].astype(dtype)
    with pytest.raises(TypeError, match=r"params\['W2'\] is an array of"):
        check_model(net, X, y)


@pytest.mark.parametrize("answer", [1.0, (1.0, [1.0]), (np.ones(2), {})])
def test_a_loss_that_is_no_pair_is_refused(answer):
    net, X, y = small()
    with pytest.raises(TypeError, match="loss"):
        check_model(Changed(net, lambda *_: answer), X, y)


def test_a_black_image_at_the_start_is_a_kink_and_no_wrong_gradient():
    net, X = TwoLayerNet(4, 6, 3, std=0.5), np.random.default_rng(0).standard_normal((5, 4))
    X[1] = 0.0
    error = failure(net, X, np.arange(5) % 3)
    assert (error.causes, error.parameters) == (("kink",), ("b1",))
    assert "db1 cannot be judged, it may be right" in str(error)


# Models with layers.


@pytest.mark.parametrize("std", [None, 0.01])
def test_a_fault_deep_inside_is_named_where_gradients_vanish_too(std):
    net, rng = deep_net([3, *[6] * 9, 4], std=std), np.random.default_rng(0)
    X, y = rng.standard_normal((5, 3)), np.arange(5) % 4
    check_model(net, X, y)
    net.layers[7].backward = lambda dOut: dOut
    error = failure(net, X, y)
    assert (error.layer, error.parameter) == ("7", "6.b")
    assert str(error).startswith("layers[7], ReLU(): dX is wrong")


def test_a_bias_before_a_batch_norm_has_the_gradient_0():
    net, rng = deep_net([3, 5, 2], norm=BatchNorm), np.random.default_rng(0)
    X, y = rng.standard_normal((6, 3)), np.arange(6) % 2
    assert "0.b" in check_model(net, X, y, 0.1)
    labelled.with_fault(net.layers[0], "b", lambda g, dOut, layer: np.sum(dOut**2, axis=0))
    error = failure(net, X, y)
    assert (error.layer, error.parameters) == ("0", ("0.b",))


def test_a_mask_that_is_drawn_anew_is_to_be_fixed():
    layers = [Affine(3, 4), Residual([Affine(4, 4, rng=1), Dropout(0.5)]), Affine(4, 2, rng=2)]
    net, X, y = Sequential(layers), np.ones((5, 3)), np.arange(5) % 2
    error = failure(net, X, y)
    assert error.causes == ("not_deterministic",)
    net.layers[1].layers[1].redraw = False
    check_model(net, X + np.arange(3), y)


def test_the_order_of_the_layers_on_the_way_back():
    net, rng = deep_net([4, 4, 4, 4]), np.random.default_rng(0)
    for layer in (net, Residual([Affine(4, 4, rng=3), ReLU(), Affine(4, 4, rng=4)])):

        def backward(dOut, layer=layer):
            for inner in layer.layers:
                dOut = inner.backward(dOut)
            layer.grads = gathered(layer.layers, "grads")
            return dOut

        model = net if layer is net else Sequential([Affine(4, 4), layer])
        layer.backward = backward
        error = failure(model, rng.standard_normal((6, 4)), np.arange(6) % 4)
        assert error.layer == (None if layer is net else "1")


WRONG = [
    (6, "0.b", lambda b: b * np.nan, "not_finite"),
    (6, "0.b", lambda b: b[None], "shape"),
    (6, "0.b", lambda b: b + 1, "kink"),
    (300, "0.W", lambda W: W.T, "shape"),
]


@pytest.mark.parametrize(("size", "key", "wrong", "cause"), WRONG)
def test_a_kink_excuses_no_gradient_but_a_layers_own(size, key, wrong, cause):
    net, X = deep_net([4, size, 3]), np.random.default_rng(0).standard_normal((5, 4))
    X[0] = 0.0  # a black image
    error = failure(with_gradient(net, key, wrong), X, np.array([0, 1, 2, 0, 1]), 0.1)
    assert (error.parameter, error.causes[0]) == (key, cause)


def with_gradient(net, key, wrong):
    """A network whose loss gives another gradient of one parameter."""
    right = net.loss

    def loss(X, y, reg):
        value, grads = right(X, y, reg)
        return value, grads | {key: wrong(grads[key])}

    net.loss = loss
    return net


def test_an_l2_term_that_one_layer_lacks_is_named_there():
    net, X = deep_net([3, 5, 5, 4]), np.random.default_rng(0).standard_normal((6, 3))
    W = net.params["2.W"]
    error = failure(with_gradient(net, "2.W", lambda dW: dW - 0.1 * W), X, np.arange(6) % 4, 0.1)
    assert (error.layer, error.parameters, error.causes) == ("2", ("2.W",), ("reg_missing",))
