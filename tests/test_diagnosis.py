"""check_model names the parameter and the cause, accuses no correct model and restores all."""

import re

import faulty_gradients
import numpy as np
import pytest
from faulty_gradients import PASSED, Network, accusations, correct, fresh, tuned

from cs231n_utils import SoftmaxClassifier, TwoLayerNet
from cs231n_utils.gradient_check import GradientCheckError, check_gradient, check_model
from cs231n_utils.taught.losses import softmax_loss


@pytest.fixture(scope="module")
def answers():
    """The tuned faults and the causes that are named."""
    return [(fault, fault.causes()) for fault in tuned()]


class Model:
    """A network whose loss goes through a function before it is returned."""

    def __init__(self, change, sizes=(7, 4, 6, 3), reg=0.3):
        made = Network(0, *sizes, reg=reg)
        self.net, self.X, self.y, self.reg = made.net, made.X, made.y, reg
        self.params, self.change = made.params, change

    def loss(self, X, y, reg):
        """The changed answer."""
        return self.change(*self.net.loss(X, y, reg))

    def failure(self):
        """The error of its check, which restores every parameter."""
        before = {key: value.tobytes() for key, value in self.params.items()}
        with pytest.raises(GradientCheckError) as caught:
            check_model(self, self.X, self.y, self.reg)
        assert before == {key: value.tobytes() for key, value in self.params.items()}
        return caught.value


def misses(answers):
    return [f"{f.label}, {f.what}: {causes}" for f, causes in answers if causes[0] != f.label]


def test_the_right_cause_comes_first_in_97_percent_of_the_tuned_faults(answers):
    missed = misses(answers)
    assert len(answers) >= 170
    assert len(missed) <= 0.03 * len(answers), "\n".join(missed)


def test_and_of_a_third_of_the_fresh_ones():
    some = [(fault, fault.causes()) for fault in list(fresh(seed=2))[::3]]
    missed = misses(some)
    assert len(some) >= 120
    assert len(missed) <= 0.03 * len(some), "\n".join(missed)
    assert not [fault.what for fault, causes in some if PASSED in causes]


def test_every_label_is_named_first_more_often_than_not_and_none_passes(answers):
    for label in {fault.label for fault, _ in answers}:
        named = [causes[0] for fault, causes in answers if fault.label == label]
        assert PASSED not in named
        assert named.count(label) > len(named) / 2, label
    table = faulty_gradients.confusion(answers)
    assert len(table.splitlines()) == len({fault.label for fault, _ in answers})


def test_no_correct_model_is_accused():
    assert not accusations(correct(200))


def test_a_smaller_step_lets_no_fault_pass():
    """Networks at kinks and close to round-off, one wrong entry or all wrong by 0.2 %."""
    tried = 0
    for number, net in enumerate(correct(40)):
        rng = np.random.default_rng(number)
        for key, value in net.params.items():
            right = net.net.loss(net.X, net.y, net.reg)[1][key]
            scale = np.abs(right).max()
            if scale == 0:
                continue
            one = right.copy()
            one.flat[rng.integers(one.size)] += 2e-3 * scale
            for wrong in (one, right * 1.002):
                with pytest.raises(GradientCheckError):
                    check_gradient(net.loss, value, wrong)
                tried += 1
    assert tried > 200


def test_the_report_has_a_line_for_each_parameter_and_says_how():
    net = TwoLayerNet(64, 100, 10, std=0.1)
    X, y = np.random.default_rng(0).standard_normal((20, 64)), np.arange(20) % 10
    assert repr(check_model(net, X, y, 0.1)).splitlines() == [
        "dW1: 4 random directions through 6,400 entries of shape (64, 100) agree, "
        "relative error at most 1e-05",
        "db1: all 100 entries of shape (100,) agree, relative error at most 1e-07",
        "dW2: all 1,000 entries of shape (100, 10) agree, relative error at most 1e-07",
        "db2: all 10 entries of shape (10,) agree, relative error at most 1e-07",
    ]
    assert list(check_model(SoftmaxClassifier(64, 10), X, y, 0.1)) == ["W", "b"]


@pytest.mark.parametrize("key", ["W1", "b1", "W2", "b2"])
def test_the_parameter_at_fault_is_named(key):
    error = Model(lambda loss, grads: (loss, grads | {key: -grads[key]})).failure()
    assert (error.parameter, error.parameters, error.causes) == (key, (key,), ("sign",))
    assert str(error).startswith(f"d{key} is wrong: relative error")
    others = ", ".join(f"d{name}" for name in ("W1", "b1", "W2", "b2") if name != key)
    assert str(error).splitlines()[-1] == f"Right: {others}."


def test_two_faults_are_told_apart():
    error = Model(
        lambda loss, grads: (loss, grads | {"b1": -grads["b1"], "W2": 7 * grads["W2"]})
    ).failure()
    assert set(error.parameters) == {"b1", "W2"}
    assert set(error.causes) == {"sign", "factor N"}
    assert "is wrong, too: " in str(error)


def test_a_planted_fault_is_proved_in_the_words_of_the_student():
    model = Model(None)
    made = Network(0, 7, 4, 6, 3, reg=0.3)
    unmasked = made.X.T @ made.dA + 0.3 * made.params["W1"]
    model.change = lambda loss, grads: (loss, grads | {"W1": unmasked})
    error = model.failure()
    assert error.causes == ("relu_off",)
    assert (
        "Diagnosis: ReLU's mask is missing (dZ = dA, right is dA * (Z > 0)). A backward pass with "
        "this gives exactly this gradient."
    ) in str(error)


@pytest.mark.parametrize(
    ("change", "causes", "parameter"),
    [
        (lambda loss, g: (loss, {k: v for k, v in g.items() if k != "b1"}), "missing", "b1"),
        (lambda loss, g: (loss, g | {"b1": None}), "missing", "b1"),
        (lambda loss, g: (loss, g | {"dX": g["W1"]}), "extra", None),
        (lambda loss, g: (loss, g | {"W2": g["W2"].T}), "transpose", "W2"),
        (lambda loss, g: (loss, g | {"W2": g["W2"][:2]}), "shape", "W2"),
        (lambda loss, g: (loss, g | {"W2": g["W2"] * np.nan}), "not_finite", "W2"),
        (lambda loss, g: (np.nan, g), "not_finite", None),
        (lambda loss, g: (loss + np.random.default_rng().random(), g), "not_deterministic", None),
    ],
)
def test_what_students_return(change, causes, parameter):
    error = Model(change).failure()
    assert (error.causes, error.parameter) == ((causes,), parameter)


def test_a_gradient_that_grows_from_call_to_call():
    total = {}

    def accumulate(loss, grads):
        for key, gradient in grads.items():
            total[key] = total.get(key, 0) + gradient
        return loss, total

    assert Model(accumulate).failure().causes == ("accumulated",)


@pytest.mark.parametrize(("dtype", "cause"), [(np.float32, "float32"), (int, "integer")])
def test_parameters_of_another_type(dtype, cause):
    model = Model(lambda *answer: answer)
    model.params = model.params | {"W2": model.params["W2"].astype(dtype)}
    error = model.failure()
    assert (error.causes, error.parameter) == ((cause,), "W2")


@pytest.mark.parametrize("answer", [1.0, (1.0, [1.0]), (np.ones(2), {})])
def test_a_loss_that_is_no_pair_is_refused(answer):
    model = Model(lambda loss, grads: answer)
    with pytest.raises(TypeError, match="loss"):
        check_model(model, model.X, model.y)


@pytest.mark.parametrize("last", [1, 3, 8, 20, 60])
def test_parameters_and_inputs_are_restored_when_the_loss_gives_up(last):
    calls = []

    def give_up(loss, grads):
        calls.append(1)
        if len(calls) == last:
            model.X[...], model.params["b2"][...] = 0.0, 0.0
            raise KeyboardInterrupt
        return loss, grads

    model = Model(give_up)
    before = [array.tobytes() for array in (model.X, *model.params.values())]
    with pytest.raises(KeyboardInterrupt):
        check_model(model, model.X, model.y, model.reg)
    assert before == [array.tobytes() for array in (model.X, *model.params.values())]


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


def test_names_do_not_matter_and_depth_neither():
    """Three layers of other names; the mask is missing in the first alone."""
    rng = np.random.default_rng(0)
    p = {f"v{k}": rng.standard_normal((5, 5)) for k in range(3)}
    p |= {f"c{k}": rng.standard_normal(5) for k in range(3)}
    X, y = rng.standard_normal((6, 5)), np.arange(6) % 5

    def answer(X, y, reg):
        Z0 = X @ p["v0"] + p["c0"]
        Z1 = np.maximum(Z0, 0) @ p["v1"] + p["c1"]
        A1 = np.maximum(Z1, 0)
        loss, dS = softmax_loss(A1 @ p["v2"] + p["c2"], y)
        dZ1 = dS @ p["v2"].T * (Z1 > 0)
        dZ0 = dZ1 @ p["v1"].T  # the fault
        grads = {"v0": X.T @ dZ0, "v1": np.maximum(Z0, 0).T @ dZ1, "v2": A1.T @ dS}
        return loss, grads | {"c0": dZ0.sum(axis=0), "c1": dZ1.sum(axis=0), "c2": dS.sum(axis=0)}

    fault = faulty_gradients.Faulty("relu_off", "in the first of three layers", p, answer, X, y)
    assert fault.causes() == ("relu_off",)


def test_appended_numbers_have_three_digits_at_most(answers):
    for fault, _ in answers:
        _, _, diagnosis = fault.message.partition("Diagnosis:")
        for number in re.findall(r"\d+\.\d+", diagnosis.partition("\nd")[0]):
            assert len(number.replace(".", "").lstrip("0")) <= 3, diagnosis


def test_nothing_fits_is_said():
    error = Model(lambda loss, g: (loss, g | {"W2": g["W2"] ** 2})).failure()
    assert error.causes == ("unknown",)
    assert "none of the known forms fits" in str(error)


def test_an_unknown_number_of_examples_is_asked_for():
    x = np.random.default_rng(0).standard_normal((2, 2))
    with pytest.raises(GradientCheckError) as caught:
        check_gradient(lambda x: float(np.sum(x**3)), x, 15 * x**2)
    assert "every entry is 5 times the right one. Is 5 the number of your examples?" in str(
        caught.value
    )
