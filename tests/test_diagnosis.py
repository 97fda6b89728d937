"""The diagnosis names the right cause, and the checks accuse no correct gradient."""

import re

import faulty_gradients
import numpy as np
import pytest
from faulty_gradients import PASSED, REFUSED, Network, accusations, correct_networks, faults

from cs231n_utils.diagnosis import measure_slopes
from cs231n_utils.gradient_check import GradientCheckError, check_directions, check_gradient


@pytest.fixture(scope="module")
def answers():
    return [(fault, fault.causes()) for fault in faults()]


def failure(call):
    with pytest.raises(GradientCheckError) as caught:
        call()
    return caught.value


def test_the_right_cause_is_named_first_in_at_least_95_percent(answers):
    missed = [f"{f.label}, {f.what}: {causes}" for f, causes in answers if causes[0] != f.label]
    assert len(answers) >= 150
    assert len(missed) <= 0.05 * len(answers), "\n".join(missed)


def test_every_label_is_named_first_more_often_than_not(answers):
    for label in {fault.label for fault, _ in answers}:
        right = [causes[0] == label for fault, causes in answers if fault.label == label]
        assert np.mean(right) > 0.5, label


def test_no_faulty_gradient_passes_or_is_refused_without_a_cause(answers):
    passed = [f"{f.label}, {f.what}" for f, causes in answers if {PASSED, REFUSED} & {*causes}]
    assert not passed, "\n".join(passed)


def test_no_correct_gradient_is_accused():
    said, shrunk = accusations(correct_networks(200))
    assert not said, "\n".join(said)
    assert shrunk >= 50, "the networks must stand close to kinks often enough to test them"


def test_a_smaller_step_lets_no_fault_pass():
    """Networks at kinks and close to round-off, one wrong entry or all wrong by 0.2 %."""
    tried = 0
    for number, net in enumerate(correct_networks(40)):
        rng = np.random.default_rng(number)
        for key, value in net.params.items():
            right = net.grads[key]
            scale = np.abs(right).max()
            if scale == 0:
                continue
            one = right.copy()
            one.flat[rng.integers(one.size)] += 2e-3 * scale
            for wrong in (one, right * 1.002):
                failure(lambda net=net, v=value, g=wrong: check_gradient(net.loss, v, g))
                tried += 1
    assert tried > 200


def test_the_wrong_side_of_a_kink_fails():
    z = np.array([2e-6, -2e-6, 1.0])

    def sum_relu(z):
        return float(np.sum(np.maximum(z, 0)))

    report = check_gradient(sum_relu, z, np.array([1.0, 0.0, 1.0]))
    assert report.relative_error <= 1e-7
    assert repr(report).endswith("relative error at most 1e-07")
    for wrong in ([0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.5, 0.5, 1.0]):
        failure(lambda wrong=wrong: check_gradient(sum_relu, z, np.array(wrong)))
    error = failure(lambda: check_gradient(sum_relu, z, np.array([1.0, 0.0, 1.0]), shrink_h=False))
    assert error.causes == ("kink",)


def test_the_report_admits_round_off():
    """Where f is a million times its gradient, the report says the bound that was reached."""
    x = np.random.default_rng(0).standard_normal(4)
    report = check_gradient(lambda x: 1e6 + float(np.sum(x**2)), x, 2 * x)
    assert 1e-7 < report.relative_error <= report.tolerance <= 1e-3
    failure(lambda: check_gradient(lambda x: 1e6 + float(np.sum(x**2)), x, 2.01 * x))
    # A gradient so small that round-off hides it at h is measured at a larger step.
    report = check_gradient(lambda x: 10 + 1e-7 * float(np.sum(x**2)), x, 2e-7 * x)
    assert 1e-7 < report.tolerance <= 1e-3
    failure(lambda: check_gradient(lambda x: 10 + 1e-7 * float(np.sum(x**2)), x, 2.01e-7 * x))
    error = failure(lambda: check_gradient(lambda x: 1e6 + 1e-5 * float(np.sum(x**2)), x, 2e-5 * x))
    assert error.causes == ("round_off",)


def test_the_lines_that_notebooks_print_come_first():
    x = np.random.default_rng(0).standard_normal((2, 2))
    error = failure(lambda: check_gradient(lambda x: float(np.sum(x**3)), x, -3 * x**2, name="dx"))
    lines = str(error).splitlines()
    assert lines[0] == "dx is wrong: relative error 2, tolerance 1e-07. Worst entries:"
    assert all(re.fullmatch(r"  dx\[\d, \d\]: analytic \S+, numerical \S+", s) for s in lines[1:4])
    assert lines[4:] == ["Diagnosis: every entry is -1 times the right one: the sign is wrong."]


def test_several_explanations_are_numbered_and_an_unknown_batch_is_asked_for():
    net = Network(11, 2, 3, 4, 3)
    value, gradient = net.params["W1"], 2 * net.grads["W1"]
    error = failure(lambda: check_gradient(net.loss, value, gradient, batch_size=2))
    assert error.causes[:2] == ("factor N", "factor 2")
    assert str(error).splitlines()[4] == (
        "Diagnosis: several explanations fit, the most specific first:"
    )
    error = failure(lambda: check_gradient(net.loss, value, 2.5 * gradient))
    assert "every entry is 5 times the right one. Is 5 the number of your examples?" in str(error)


def test_nothing_fits_is_said():
    net = Network(0, 5, 4, 6, 3)
    gradient = net.grads["W2"] + np.random.default_rng(0).standard_normal((6, 3))
    error = failure(lambda: check_gradient(net.loss, net.params["W2"], gradient))
    assert error.causes == ("unknown",)
    assert "none of the known forms fits" in str(error)


def test_appended_numbers_have_three_digits_at_most(answers):
    for fault, causes in answers:
        if isinstance(fault.x, np.ndarray) and fault.x.dtype == np.float64:
            with pytest.raises((GradientCheckError, ValueError)) as caught:
                fault.check()
            _, _, diagnosis = str(caught.value).partition("Diagnosis:")
            for number in re.findall(r"\d+\.\d+", diagnosis):
                assert len(number.replace(".", "").lstrip("0")) <= 3, (causes, diagnosis)


def test_a_wrong_shape_keeps_its_first_line_even_when_f_fails():
    x = np.zeros((2, 3))
    error = failure(lambda: check_gradient(lambda x: 1 / 0, x, np.zeros((3, 3)), name="dx"))
    assert str(error) == (
        "dx has shape (3, 3), but x has shape (2, 3): "
        "a gradient has the shape of what it is taken with respect to"
    )
    assert error.causes == ("shape",)


def test_slopes_restore_x_when_f_raises():
    x = np.random.default_rng(0).standard_normal(3)
    before, calls = x.tobytes(), []

    def f(x):
        calls.append(1)
        if len(calls) > 4:
            raise ZeroDivisionError
        return float(np.sum(x))

    with pytest.raises(ZeroDivisionError):
        measure_slopes(f, x, 1e-5, 0.0)
    assert x.tobytes() == before


@pytest.mark.parametrize("key", ["W1", "b1", "W2", "b2"])
@pytest.mark.parametrize("fault", [lambda g: -g, lambda g: 1.01 * g, lambda g: 0 * g])
def test_directions_name_the_parameter_at_fault(key, fault):
    net = Network(3, 6, 5, 7, 4, reg=0.1)
    grads = net.grads | {key: fault(net.grads[key])}
    error = failure(lambda: check_directions(net.loss, net.params, grads))
    assert error.parameters == (key,)
    others = ", ".join(name for name in net.params if name != key)
    assert f"Along directions through {key} alone the slope differs" in str(error)
    assert f"Along directions through one of {others} it agrees." in str(error)


def test_directions_name_several_parameters_and_a_restless_f():
    net = Network(4, 6, 5, 7, 4)
    before = {key: value.tobytes() for key, value in net.params.items()}
    grads = net.grads | {"W1": -net.grads["W1"], "b2": 2 * net.grads["b2"]}
    error = failure(lambda: check_directions(net.loss, net.params, grads))
    assert error.parameters == ("W1", "b2")
    noise = np.random.default_rng(0)
    error = failure(
        lambda: check_directions(lambda _: net.loss() + noise.random(), net.params, net.grads)
    )
    assert error.causes == ("not_deterministic",)
    assert before == {key: value.tobytes() for key, value in net.params.items()}


def test_the_table_has_a_row_for_each_label(answers):
    table = faulty_gradients.confusion([(fault.label, causes) for fault, causes in answers])
    assert len(table.splitlines()) == len({fault.label for fault, _ in answers})
