"""Mutants of the notebooks 02 to 07: single faults, each of which a check of the notebook must see.

    python tests/mutants.py            the figures, by notebook, and the equivalent mutants
    python tests/mutants.py --cells    and for each mutant the cell that catches it

A mutant runs as a student runs the notebook: cell by cell from the top, in a fresh namespace. It is
caught when a check stops the run: an assert, a function of gradient_check, or
np.errstate(...="raise"). Any other error does not count, and printed output is not compared.

Two kinds of cells do not run. Exercises with their checks, because a student may not have solved
them. Comparisons with the package's copy of the notebook's code, because `make export` would carry
the fault there as well.
"""

import argparse
import contextlib
import functools
import io
import os
import sys
import time
import traceback
import types
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the tests

import nbformat
import numpy as np

import cs231n_utils.gradient_check as checker

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
NUMBERS = ("02", "03", "04", "05", "06", "07")
COMPARE_WITH_THE_COPY = {"cell-85"}  # of notebook 07: its train against TwoLayerNet.train


@dataclass(frozen=True)
class Mutant:
    """One fault in a notebook's code, or in gradient_check while its notebook runs."""

    number: str  # of the notebook
    old: str  # occurs once
    new: str
    fault: str  # in words; for an equivalent mutant the argument
    in_checker: bool = False


@dataclass(frozen=True)
class Run:
    """How a run ended: the error that stopped it, if any, and what the cells defined."""

    cell: str = ""  # id of the cell that raised
    error: Exception | None = None
    namespace: dict[str, object] | None = None

    @property
    def caught(self) -> bool:
        """Whether a check stopped the run, and no accident."""
        if self.error is None:
            return False
        innermost = traceback.extract_tb(self.error.__traceback__)[-1].filename
        return isinstance(self.error, AssertionError | FloatingPointError) or (
            innermost == checker.__name__
        )


def mutants(number: str, *faults: tuple[str, str, str], in_checker: bool = False) -> list[Mutant]:
    """The mutants of one notebook from tuples (old, new, fault)."""
    return [Mutant(number, *fault, in_checker) for fault in faults]


MUTANTS = [
    *mutants(
        "02",
        ("total += np.exp(s[j])", "total = np.exp(s[j])", "sum overwritten by its last term"),
        ("= np.exp(s[i]) / total  # (2.1)", "= s[i] / total  # (2.1)", "exp dropped"),
        (
            "return E / E.sum(axis=1, keepdims=True)  # (2.2)",
            "return E / E.sum(axis=0, keepdims=True)  # (2.2)",
            "naive softmax over the wrong axis",
        ),
        ("S + row_shifts)", "S + column_shifts)", "shift of the classes, not of the rows"),
        (
            "E = np.exp(S - S.max(axis=1, keepdims=True))  # (2.4)",
            "E = np.exp(S)  # (2.4)",
            "unshifted exp in softmax",
        ),
        (
            "E = np.exp(S - S.max(axis=1, keepdims=True))  # (2.4)",
            "E = np.exp(S - S.max())  # (2.4)",
            "softmax subtracts the whole matrix's maximum",
        ),
        (
            "E = np.exp(S - S.max(axis=1, keepdims=True))  # (2.4)",
            "E = np.exp(S - S.min(axis=1, keepdims=True))  # (2.4)",
            "softmax subtracts the minimum",
        ),
        (
            "E = np.exp(S - S.max(axis=1, keepdims=True))  # (2.4)",
            "S -= S.max(axis=1, keepdims=True); E = np.exp(S)  # (2.4)",
            "softmax changes the caller's scores",
        ),
        (
            "return E / E.sum(axis=1, keepdims=True)  # (2.5)",
            "return E / E.sum(axis=0, keepdims=True)  # (2.5)",
            "softmax over the wrong axis",
        ),
        (
            "return E / E.sum(axis=1, keepdims=True)  # (2.5)",
            "return E / E.sum()  # (2.5)",
            "softmax over the whole batch",
        ),
        ("loss += -np.log(P[n, y[n]])", "loss += np.log(P[n, y[n]])", "minus sign dropped"),
        (
            "-np.log(P[n, y[n]]) / len(y)  # (2.6)",
            "-np.log(P[n, y[n]])  # (2.6)",
            "1/N dropped from the loss by likelihood",
        ),
        (
            "* -np.log(p[occurs]))  # (2.7)",
            "* np.log(p[occurs]))  # (2.7)",
            "cross-entropy with the wrong sign",
        ),
        (
            "np.sum(y_row[occurs] * -np.log(p[occurs]))  # (2.7)",
            "np.sum(p[occurs] * -np.log(y_row[occurs]))  # (2.7)",
            "truth and belief swapped in the cross-entropy",
        ),
        (
            "np.log(1 / y_row[occurs]))  # (2.8)",
            "np.log(y_row[occurs]))  # (2.8)",
            "entropy with the wrong sign",
        ),
        (
            "np.log(y_row[occurs] / p[occurs]))  # (2.9)",
            "np.log(p[occurs] / y_row[occurs]))  # (2.9)",
            "KL divergence with the wrong sign",
        ),
        ("- s[k]  # (2.11)", "+ s[k]  # (2.11)", "score of the correct class added"),
        ("np.log(np.e + C - 1) - 1", "np.log(np.e + C) - 1", "C classes besides the correct one"),
        (
            "return largest + np.log(np.sum(np.exp(s - largest)))  # (2.13)",
            "return np.log(np.sum(np.exp(s - largest)))  # (2.13)",
            "maximum not added back",
        ),
        (
            "return largest + np.log(np.sum(np.exp(s - largest)))  # (2.13)",
            "return np.log(np.sum(np.exp(s)))  # (2.13)",
            "unshifted exp in log-sum-exp",
        ),
        ("- S[n, y[n]]  # (2.14)", "- S[n, y[0]]  # (2.14)", "label of another example"),
        ("loss += L_n / N  # (2.15)", "loss += L_n  # (2.15)", "1/N dropped from the loop"),
        ("loss += L_n / N  # (2.15)", "loss = L_n / N  # (2.15)", "sum over the batch dropped"),
        ("y.min() < 0 or ", "", "label -1 accepted"),
        ("y.max() >= num_classes", "y.max() > num_classes", "label C accepted"),
        ('y.dtype.kind not in "iu"', 'y.dtype.kind not in "iuf"', "labels may be floats"),
        (
            "shifted = S - S.max(axis=1, keepdims=True)  # (2.16)",
            "shifted = S  # (2.16)",
            "unshifted exp in the loss",
        ),
        (
            "shifted = S - S.max(axis=1, keepdims=True)  # (2.16)",
            "shifted = S - S.max()  # (2.16)",
            "the loss subtracts the whole matrix's maximum",
        ),
        (
            "shifted = S - S.max(axis=1, keepdims=True)  # (2.16)",
            "shifted = S; shifted -= S.max(axis=1, keepdims=True)  # (2.16)",
            "an alias: the loss changes the caller's scores",
        ),
        (
            "np.exp(shifted).sum(axis=1))  # (2.17)",
            "np.exp(shifted).mean(axis=1))  # (2.17)",
            "mean over the classes",
        ),
        (
            "np.mean(log_sum - shifted[np.arange(len(y)), y])",
            "np.sum(log_sum - shifted[np.arange(len(y)), y])",
            "1/N dropped",
        ),
        (
            "np.mean(log_sum - shifted[np.arange(len(y)), y])",
            "np.mean(log_sum + shifted[np.arange(len(y)), y])",
            "wrong sign of the correct class's score",
        ),
        (
            "np.mean(log_sum - shifted[np.arange(len(y)), y])",
            "np.mean(log_sum - S[np.arange(len(y)), y])",
            "shifted and unshifted scores mixed",
        ),
        (
            "np.mean(log_sum - shifted[np.arange(len(y)), y])",
            "np.mean(log_sum - shifted[:, y])",
            "S[:, y] picks N x N scores",
        ),
        (
            "expected = np.log(C)  # (2.19)",
            "expected = np.log2(C)  # (2.19)",
            "logarithm to base 2",
        ),
        (
            "S_small.max(axis=1) - S_small.min(axis=1))  # (2.20)",
            "S_small.max(axis=1) - S_small.max(axis=1))  # (2.20)",
            "range of the scores taken as 0",
        ),
    ),
    *mutants(
        "03",
        ("0.5 * x @ Q @ x)  # (3.1)", "x @ Q @ x)  # (3.1)", "1/2 dropped"),
        (
            "(f(x + h) - f(x)) / h  # (3.2)",
            "(f(x) - f(x - h)) / h  # (3.2)",
            "backward difference",
        ),
        (
            "(f(x + h) - f(x - h)) / (2 * h)  # (3.3)",
            "(f(x + h) - f(x - h)) / h  # (3.3)",
            "factor 2 in the central difference",
        ),
        (
            "(f(x + h) - f(x - h)) / (2 * h)  # (3.3)",
            "(f(x + h) - f(x)) / h  # (3.3)",
            "one-sided difference",
        ),
        ("2 * np.sqrt(eps * abs(f / f2))", "np.sqrt(eps * abs(f / f2))", "factor 2 dropped"),
        ("np.cbrt(3 * eps * abs(f / f3))", "np.sqrt(3 * eps * abs(f / f3))", "square root"),
        ("np.cbrt(3 * eps * abs(f / f3))", "np.cbrt(eps * abs(f / f3))", "factor 3 dropped"),
        (
            "(f_plus - f_minus) / (2 * h)  # (3.6)",
            "(f_plus - f_minus) / h  # (3.6)",
            "factor 2 in the loop",
        ),
        (
            "        x[i] = original\n    return gradient",
            "    return gradient",
            "the loop leaves x changed",
        ),
        ("0.5 * (Q + Q.T) @ x  # (3.7)", "Q @ x  # (3.7)", "Q taken as symmetric"),
        ("0.5 * (Q + Q.T) @ x  # (3.7)", "0.5 * (Q + Q) @ x  # (3.7)", "transpose dropped"),
        ("(2 * len(X)))  # (3.8)", "len(X))  # (3.8)", "1/2 dropped from the loss"),
        (
            "S[n, j] * X[n, d] / len(X)  # (3.9)",
            "S[n, j] * X[n, d]  # (3.9)",
            "1/N dropped from dW by loops",
        ),
        ("dW[d, j] += S[n, j]", "dW[d, j] = S[n, j]", "sum over the batch dropped in dW by loops"),
        ("S[n, j] / len(X)  # (3.10)", "S[n, j]  # (3.10)", "1/N dropped from db by loops"),
        ("X.T @ S / len(X)  # (3.11)", "X.T @ S  # (3.11)", "1/N dropped from dW"),
        ("X.T @ S / len(X)  # (3.11)", "-X.T @ S / len(X)  # (3.11)", "sign of dW"),
        ("X.T @ S / len(X)  # (3.11)", "X.T @ S / X.shape[1]  # (3.11)", "1/D for 1/N"),
        ("S.sum(axis=0) / len(X)  # (3.12)", "S.sum(axis=0)  # (3.12)", "1/N dropped from db"),
        ("S.sum(axis=0) / len(X)  # (3.12)", "S.sum(axis=1) / len(X)  # (3.12)", "db, wrong axis"),
        (
            "max(np.abs(a).max(), np.abs(b).max())  # (3.13)",
            "min(np.abs(a).max(), np.abs(b).max())  # (3.13)",
            "the smaller scale",
        ),
        (
            "np.maximum(np.abs(a), np.abs(b)))  # (3.14)",
            "(np.abs(a) + np.abs(b)))  # (3.14)",
            "another relative error",
        ),
        ("(h + delta) / (2 * h)  # (3.15)", "(h - delta) / (2 * h)  # (3.15)", "sides of the kink"),
        ("np.sum(dW * V, axis=(1, 2))  # (3.16)", "-np.sum(dW * V, axis=(1, 2))  # (3.16)", "sign"),
        (
            "np.linalg.norm(dW) / np.sqrt(dW.size)  # (3.17)",
            "np.linalg.norm(dW) / dW.size  # (3.17)",
            "square root dropped",
        ),
        ("dZ = (Z > 0).astype(float)", "dZ = (Z < 0).astype(float)", "mask inverted"),
        ('faulty["W2"][7, 3] *= 2', 'faulty["W2"][7, 3] *= 1', "the fault is none"),
    ),
    *mutants(
        "03",
        (
            "gradient[index] = (f_plus - f_minus) / (2 * h)",
            "gradient[index] = (f_plus - f_minus) / h",
            "factor 2 in numerical_gradient",
        ),
        ("x[index] = original - h", "x[index] = original", "numerical_gradient is one-sided"),
        ("        x[...] = before\n", "        pass\n", "x is not put back when f raises"),
        (
            "if not np.array_equal(x, before, equal_nan=True):",
            "if False:",
            "a loss that writes into x is not noticed",
        ),
        ("if original + h == original:", "if False:", "a step that vanishes is not noticed"),
        ("if a.shape != b.shape:", "if a.size != b.size:", "shapes that broadcast are accepted"),
        (
            "if not (np.isfinite(a).all() and np.isfinite(b).all()):\n        return np.inf",
            "if not (np.isfinite(a).all() and np.isfinite(b).all()):\n        return 0.0",
            "NaN passes as equal",
        ),
        ("if scale == 0:\n        return 0.0", "if scale == 0:\n        return np.inf", "0/0"),
        (
            "return float(np.abs(a / scale - b / scale).max())",
            "return float(np.abs(a / scale - b / scale).mean())",
            "mean error for largest error",
        ),
        (
            "scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))",
            "scale = min(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))",
            "the smaller scale in relative_error",
        ),
        (
            "error = relative_error(gradient, numerical)",
            "error = relative_error(np.abs(gradient), np.abs(numerical))",
            "the check is blind to signs",
        ),
        (
            "direction = {key: v / length for key, v in direction.items()}",
            "pass",
            "directions of no fixed length",
        ),
        (
            "expected = float(norm / np.sqrt(sum(v.size for v in direction.values())))",
            "expected = float(norm)",
            "error along directions measured against |grads|",
        ),
        (
            "difference = abs(expected_slope - numerical_gradient",
            "difference = abs(expected_slope + numerical_gradient",
            "wrong sign of the slope along a direction",
        ),
        (
            "        for key, value in params.items():\n            value[...] = original[key]\n",
            "        pass\n",
            "check_directions leaves params changed",
        ),
        ("for _ in range(num_directions):", "for _ in range(1):", "one direction only"),
        in_checker=True,
    ),
    *mutants(
        "04",
        ("- (i == k) for", "+ (i == k) for", "+1 for -1 at the correct class"),
        ("- (i == k) for", "for", "-1 at the correct class dropped"),
        ("- (i == k) for", "- (i != k) for", "-1 at the wrong classes"),
        (
            "np.diag(p) - np.outer(p, p)  # (4.2)",
            "np.diag(p) + np.outer(p, p)  # (4.2)",
            "sign in the Jacobian",
        ),
        ("np.diag(p) - np.outer(p, p)  # (4.2)", "np.diag(p)  # (4.2)", "case i != k dropped"),
        ("(-y_row / p)  # (4.3)", "(y_row / p)  # (4.3)", "sign of the outer derivative"),
        ("(-y_row / p)  # (4.3)", "(-y_row * p)  # (4.3)", "p for 1/p"),
        ("dS[n, i] = ds[i] / N  # (4.4)", "dS[n, i] = ds[i]  # (4.4)", "1/N dropped in the loops"),
        ("dS[n, i] = ds[i] / N  # (4.4)", "dS[n, i] = ds[i] / C  # (4.4)", "1/C for 1/N"),
        (
            "dS[np.arange(len(y)), y] -= 1\n    return",
            "dS[np.arange(len(y)), y] += 1\n    return",
            "+1 for -1 in dS",
        ),
        (
            "dS[np.arange(len(y)), y] -= 1\n    return",
            "dS[:, y] -= 1\n    return",
            "whole columns for one entry a row",
        ),
        (
            "    dS[np.arange(len(y)), y] -= 1\n    return",
            "    return",
            "p for p - y",
        ),
        ("return loss, dS / len(y)  # (4.5)", "return loss, dS  # (4.5)", "1/N dropped from dS"),
        (
            "return loss, dS / len(y)  # (4.5)",
            "return loss, dS / dS.size  # (4.5)",
            "mean over N C entries",
        ),
        ("dS = P.copy()", "dS = P", "an alias overwrites the probabilities"),
        ("db[i] += dS[n, i]  # (4.7)", "db[i] = dS[n, i]  # (4.7)", "sum over the batch dropped"),
        ("X[n, d] * dS[n, i]  # (4.6)", "X[0, d] * dS[n, i]  # (4.6)", "input of another example"),
        ("dW = X.T @ dS  # (4.8)", "dW = X.T @ dS / len(X)  # (4.8)", "1/N applied twice"),
        ("dW = X.T @ dS  # (4.8)", "dW = np.abs(X).T @ dS  # (4.8)", "signs of the inputs dropped"),
        ("db = dS.sum(axis=0)  # (4.9)", "db = dS.sum(axis=1)  # (4.9)", "db, wrong axis"),
        ("db = dS.sum(axis=0)  # (4.9)", "db = dS.mean(axis=0)  # (4.9)", "mean in db"),
        ("return 0.5 * reg * sum", "return reg * sum", "L2 penalty without its 1/2"),
        ("sum_of_squares(W) for W", "np.sum(np.abs(W)) for W", "L1 for L2"),
        (
            "dS = softmax(S)  # a new array",
            "dS = softmax(S.T).T  # a new array",
            "probabilities over the batch",
        ),
        (
            'return loss + l2_penalty(reg, self.params["W"]), grads',
            "return loss, grads",
            "penalty missing from the loss",
        ),
        (
            'return loss + l2_penalty(reg, self.params["W"]), grads',
            'return loss - l2_penalty(reg, self.params["W"]), grads',
            "penalty subtracted",
        ),
        ("X.T @ dS + float(reg) * self", "X.T @ dS - float(reg) * self", "sign of the L2 term"),
        ("X.T @ dS + float(reg) * self", "X.T @ dS + 2 * float(reg) * self", "L2 term doubled"),
        (
            'X.T @ dS + float(reg) * self.params["W"]',
            "X.T @ dS",
            "L2 term missing from dW",
        ),
        (
            'X.T @ dS + float(reg) * self.params["W"]',
            "(1 + float(reg)) * X.T @ dS",
            "reg * dW for reg * W",
        ),
        (
            '"b": dS.sum(axis=0)}  # (4.12)',
            '"b": dS.sum(axis=0) + float(reg) * self.params["b"]}  # (4.12)',
            "bias penalised in its gradient",
        ),
        ("predict_labels(self.loss(X))", "predict_labels(-self.loss(X))", "smallest score wins"),
        ("p @ (v - p @ v) ** 2  # (4.13)", "p @ v**2  # (4.13)", "mean not subtracted"),
        ("* class_means - mu / 10  # (4.14)", "* class_means - mu  # (4.14)", "1/C dropped"),
        (
            "model.params[name] -= learning_rate * grads[name]  # (4.15)",
            "model.params[name] += learning_rate * grads[name]  # (4.15)",
            "a step uphill",
        ),
        (
            "model.params[name] -= learning_rate * grads[name]  # (4.15)",
            "model.params[name] -= grads[name]  # (4.15)",
            "learning rate dropped",
        ),
    ),
    *mutants(
        "05",
        ("q = x * w  # (5.1)", "q = x * x  # (5.1)", "w replaced by x"),
        ("z = q + b  # (5.2)", "z = q - b  # (5.2)", "sign of the bias"),
        ("da = dloss * 2 * a  # (5.6)", "da = dloss * a  # (5.6)", "factor 2 dropped"),
        ("dz = da * (z > 0)  # (5.7)", "dz = da * (z < 0)  # (5.7)", "mask inverted"),
        ("dz = da * (z > 0)  # (5.7)", "dz = da * (x * w > 0)  # (5.7)", "mask of the wrong array"),
        ("dx = dq * w  # (5.10)", "dx = dq * x  # (5.10)", "a product's gradients swapped"),
        ("dx = du + dv  # (5.12)", "dx = du * dv  # (5.12)", "a fork's gradients multiplied"),
        ("dx = du + dv  # (5.12)", "dx = du  # (5.12)", "second use of x dropped"),
        ("db[m] += dZ[n, m]", "db[m] = dZ[n, m]", "sum over the batch dropped from db by loops"),
        ("X[n, d] * dZ[n, m]  # (5.13)", "X[0, d] * dZ[n, m]  # (5.13)", "another example's input"),
        ("dZ[n, m] * W[d, m]  # (5.14)", "dZ[0, m] * W[d, m]  # (5.14)", "another example's dZ"),
        ("dW = X.T @ dZ  # (5.16)", "dW = (X.T @ dZ).T  # (5.16)", "dW transposed"),
        ("dW = X.T @ dZ  # (5.16)", "dW = X.T @ dZ / len(X)  # (5.16)", "mean for sum in dW"),
        ("dW = X.T @ dZ  # (5.16)", "dW = -X.T @ dZ  # (5.16)", "sign of dW"),
        ("dX = dZ @ W.T  # (5.17)", "dX = (dZ @ W.T).T  # (5.17)", "dX transposed"),
        ("dX = dZ @ W.T  # (5.17)", "dX = dZ @ np.abs(W.T)  # (5.17)", "signs of W dropped"),
        (
            "db = dZ.sum(axis=0)  # (5.18)",
            "db = dZ.sum(axis=1)  # (5.18)",
            "db, wrong axis",
        ),
        ("db = dZ.sum(axis=0)  # (5.18)", "db = dZ.mean(axis=0)  # (5.18)", "mean in db"),
        ("db = dZ.sum(axis=0)  # (5.18)", "db = dZ[0]  # (5.18)", "sum over the batch dropped"),
        ("dZ = G  # (5.20)", "dZ = np.ones_like(G)  # (5.20)", "upstream gradient taken as 1"),
        ("np.maximum(Z, 0)  # (5.21)", "np.minimum(Z, 0)  # (5.21)", "ReLU of the other side"),
        ("np.maximum(Z, 0)  # (5.21)", "np.abs(Z)  # (5.21)", "absolute value for ReLU"),
        ("np.maximum(Z, 0)  # (5.21)", "Z  # (5.21)", "ReLU dropped"),
        ("return dA * (Z > 0)  # (5.23)", "return dA  # (5.23)", "mask dropped"),
        ("return dA * (Z > 0)  # (5.23)", "return dA * (dA > 0)  # (5.23)", "mask of dA"),
        ("return dA * (Z > 0)  # (5.23)", "return dA * (Z < 0)  # (5.23)", "mask inverted"),
        ("return dA * (Z > 0)  # (5.23)", "return dA * (Z >= 0)  # (5.23)", "1 at the kink"),
        ("return dA * (Z > 0)  # (5.23)", "return dA * Z * (Z > 0)  # (5.23)", "A for the mask"),
        (
            "(relu(z + h) - relu(z - h)) / (2 * h)  # (5.24)",
            "(relu(z + h) - relu(z)) / h  # (5.24)",
            "one-sided at the kink",
        ),
        ("J[n, m, n, d] = W[d, m]  # (5.25)", "J[n, m, 0, d] = W[d, m]  # (5.25)", "wrong block"),
        (
            "(N * D) * H + (D * H) * N  # (5.29)",
            "(N * D) * H  # (5.29)",
            "one of two products counted",
        ),
        (
            "dA, dW2, db2 = affine_backward(dS, A, W2)",
            "dA, dW2, db2 = affine_backward(dS, Z, W2)",
            "Z for A",
        ),
        ("dZ = relu_backward(dA, Z)\n    dX", "dZ = dA\n    dX", "mask dropped in the chain"),
        (
            "dZ = relu_backward(dA, Z)\n    dX",
            "dZ = relu_backward(dA, dA)\n    dX",
            "mask of the wrong array in the chain",
        ),
    ),
    *mutants(
        "06",
        ("(b1 @ W2 + b2)  # (6.1)", "b2  # (6.1)", "b1 dropped"),
        (" + b1[m] for m in range(H)]", " for m in range(H)]", "b1 dropped from the loops"),
        ("max(z[m], 0.0)", "z[m]", "ReLU dropped from the loops"),
        (
            'Z = X @ params["W1"] + params["b1"]  # (6.5)',
            'Z = X @ params["W1"]  # (6.5)',
            "b1 dropped",
        ),
        ("A = relu(Z)  # (6.6)", "A = Z  # (6.6)", "ReLU dropped"),
        ("A = relu(Z)  # (6.6)", "A = relu(-Z)  # (6.6)", "ReLU of -Z"),
        ('S = A @ params["W2"] + params["b2"]', 'S = Z @ params["W2"] + params["b2"]', "Z for A"),
        ("s = x @ (W1 * r) @ W2", "s = x @ W1 @ W2", "switched-off units take part"),
        (
            "W1, W2 = std * rng.standard_normal((D, H)), std * rng",
            "W1, W2 = std * rng.standard_normal((D, H)), rng",
            "std dropped from W2",
        ),
        (
            "W1, W2 = std * rng.standard_normal((D, H)), std * rng.standard_normal((H, C))",
            "W1, W2 = np.full((D, H), std), np.full((H, C), std)",
            "all weights equal",
        ),
        (
            "std * rng.standard_normal((D, H)), std * rng.standard_normal((H, C))  # (6.9)",
            "std * rng.random((D, H)), std * rng.random((H, C))  # (6.9)",
            "weights uniform on 0 to std",
        ),
        (
            "rng = np.random.default_rng(rng)\n    W1, W2",
            "rng = np.random.default_rng(0)\n    W1, W2",
            "seed ignored",
        ),
        (
            "rng = np.random.default_rng(rng)\n    W1, W2",
            "rng = np.random.default_rng()\n    W1, W2",
            "no seed",
        ),
        ('"b1": np.zeros(H), "W2": W2,', '"b1": np.full(H, std), "W2": W2,', "b1 starts at std"),
        ("value.astype(dtype) for", "value for", "dtype ignored"),
        ("0.05 * squares  # (6.11)", "0.1 * squares  # (6.11)", "1/2 forgotten in the other loss"),
        ("for i in range(C)) * (Z[n, m] > 0)", "for i in range(C))", "mask dropped from the loops"),
        (
            "for n in range(N)) + reg * W2[m, i]",
            "for n in range(N)) + 2 * reg * W2[m, i]",
            "L2 term doubled in the loops",
        ),
        ("dA = dS @ W2.T  # (6.18)", "dA = dS @ np.abs(W2.T)  # (6.18)", "signs of W2 dropped"),
        ("dZ = dA * (Z > 0)  # (6.19)", "dZ = dA  # (6.19)", "mask dropped"),
        ("dZ = dA * (Z > 0)  # (6.19)", "dZ = dA * (dA > 0)  # (6.19)", "mask of dA"),
        ("dZ = dA * (Z > 0)  # (6.19)", "dZ = dA * (Z >= 0)  # (6.19)", "1 at the kink"),
        ("dZ = dA * (Z > 0)  # (6.19)", "dZ = dA * (Z < 0)  # (6.19)", "mask inverted"),
        ("dW1 += reg * W1  # (6.20)", "#", "L2 term missing from dW1"),
        ("dW1 += reg * W1  # (6.20)", "dW1 += reg * dW1  #", "reg * dW1 for reg * W1"),
        ("dW1 = X.T @ dZ\n", "dW1 = X.T @ dA\n", "dA for dZ"),
        ("db1 = dZ.sum(axis=0)  # (6.21)", "db1 = dZ.mean(axis=0)  #", "mean in db1"),
        ("db1 = dZ.sum(axis=0)  # (6.21)", "db1 = dA.sum(axis=0)  #", "dA for dZ in db1"),
        (
            "db1 = dZ.sum(axis=0)  # (6.21)",
            'db1 = dZ.sum(axis=0) + reg * params["b1"]  #',
            "bias penalised in its gradient",
        ),
        ("dW2 = A.T @ dS\n", "dW2 = Z.T @ dS\n", "Z for A in dW2"),
        ("dW2 += reg * W2  # (6.22)", "dW2 -= reg * W2  #", "sign of the L2 term"),
        ("dW2 += reg * W2  # (6.22)", "dW2 += 0.5 * reg * W2  #", "L2 term halved"),
        ("db2 = dS.sum(axis=0)  # (6.23)", "db2 = dS.sum(axis=1)  #", "db2, wrong axis"),
        (
            'l2_penalty(reg, self.params["W1"], self.params["W2"])  # (6.10)',
            'l2_penalty(reg, self.params["W1"])  # (6.10)',
            "W2 not penalised",
        ),
        (
            'l2_penalty(reg, self.params["W1"], self.params["W2"])  # (6.10)',
            "l2_penalty(reg, *self.params.values())  # (6.10)",
            "biases penalised",
        ),
        (
            'l2_penalty(reg, self.params["W1"], self.params["W2"])  # (6.10)',
            '2 * l2_penalty(reg, self.params["W1"], self.params["W2"])  # (6.10)',
            "L2 penalty without its 1/2",
        ),
        (
            "return predict_labels(self.loss(X))",
            "return predict_labels(-self.loss(X))",
            "smallest score wins",
        ),
        (
            "net.params[name] -= learning_rate * grads[name]  # (6.24)",
            "net.params[name] += learning_rate * grads[name]  # (6.24)",
            "a step uphill",
        ),
        ("std**2 * np.sum(x**2)  # (6.25)", "std * np.sum(x**2)  # (6.25)", "square dropped"),
        ("variance / 2  # (6.26)", "variance  # (6.26)", "1/2 dropped"),
        ("np.sqrt(2 / K)  # (6.27)", "np.sqrt(1 / K)  # (6.27)", "factor 2 dropped"),
    ),
    *mutants(
        "07",
        ("steepest = -g /", "steepest = g /", "steepest ascent"),
        (
            "params[name] -= grads[name]  # (7.2)",
            "params[name] += grads[name]  # (7.2)",
            "a step uphill",
        ),
        (
            "grads[name] *= learning_rate\n",
            "pass\n",
            "learning rate dropped",
        ),
        (
            "params[name] -= grads[name]  # (7.2)",
            "params[name] = params[name] - grads[name]  # (7.2)",
            "a new array in place of the parameter",
        ),
        (
            "(1 - eta * c) * path[-1])  # (7.3)",
            "(1 - eta) * path[-1])  # (7.3)",
            "curvature dropped",
        ),
        (
            "np.arange(num_steps + 1) * w0  # (7.4)",
            "np.arange(1, num_steps + 2) * w0  # (7.4)",
            "one step too many",
        ),
        ("- 2 * loss +", "- loss +", "factor 2 in the second difference"),
        ("/ h**2  # (7.5)", "/ h  # (7.5)", "h for its square"),
        ("+ c / 2 * etas**2", "+ c * etas**2", "1/2 dropped from the parabola"),
        ("- etas * norm**2 +", "- etas * norm +", "norm for its square"),
        ("g_n[batch].mean(axis=0)  # (7.7)", "g_n[batch].sum(axis=0)  # (7.7)", "sum for mean"),
        (
            "batch_gradients.mean(axis=0)  # (7.8)",
            "batch_gradients[:-1].mean(axis=0)  # (7.8)",
            "a batch left out",
        ),
        ("(8 - size) / (8 - 1)  # (7.9)", "(8 - size) / 8  # (7.9)", "N for N - 1"),
        ("(8 - size) / (8 - 1)  # (7.9)", "1  # (7.9)", "as if drawn with replacement"),
        ("order = rng.permutation(N)\n", "order = np.arange(N)\n", "no shuffle"),
        ("order = rng.permutation(N)\n", "order = rng.integers(N, size=N)\n", "with replacement"),
        (
            "    while True:\n        order = rng.permutation(N)\n",
            "    order = rng.permutation(N)\n    while True:\n",
            "shuffled once for all epochs",
        ),
        (
            "range(0, N, batch_size):\n            yield",
            "range(0, N - batch_size + 1, batch_size):\n            yield",
            "the last, short batch dropped",
        ),
        (
            "yield order[start : start + batch_size]",
            "yield order[start : start + batch_size + 1]",
            "one example twice",
        ),
        ("w -= eta * (c * w + tau", "w -= eta * (c * w) + (tau", "noise not scaled by the rate"),
        ("eta * rho ** np.arange(200) for", "eta * rho ** -np.arange(200) for", "rate grows"),
        (
            "eta * tau**2 / (c * (2 - eta * c))  # (7.11)",
            "eta * tau**2 / (2 * c)  # (7.11)",
            "term of second order dropped",
        ),
        ("velocity[name] *= momentum\n", "velocity[name] *= 1 - momentum\n", "1 - beta for beta"),
        ("velocity[name] *= momentum\n", "velocity[name] *= 0\n", "the velocity forgets"),
        (
            "velocity[name] += grads[name]  # (7.14)",
            "velocity[name] += (1 - momentum) * grads[name]  # (7.14)",
            "an average for the sum",
        ),
        (
            "velocity[name] += grads[name]  # (7.14)",
            "velocity[name] -= grads[name]  # (7.14)",
            "sign of the velocity",
        ),
        (
            "params[name] -= learning_rate * velocity[name]  # (7.15)",
            "params[name] -= learning_rate * grads[name]  # (7.15)",
            "velocity not used",
        ),
        (
            "faded_sum = beta ** np.arange(40)[::-1] @ noise  # (7.16)",
            "faded_sum = beta ** np.arange(40) @ noise  # (7.16)",
            "the newest gradient fades most",
        ),
        (
            "(schedule((step - 1) / num_iters) if schedule else 1)  # (7.17)",
            "1  # (7.17)",
            "schedule not used",
        ),
        (
            "schedule((step - 1) / num_iters)",
            "schedule(step)",
            "schedule of the step, not of the share",
        ),
        ("schedule((step - 1) / num_iters)", "schedule(step / num_iters)", "schedule a step early"),
        ("return 1 - progress  # (7.18)", "return progress  # (7.18)", "the rate rises"),
        (
            "(g_n[batch] + mirrored_n[batch]).mean(axis=0) / 2  # (7.19)",
            "(g_n[batch] + mirrored_n[batch]).mean(axis=0)  # (7.19)",
            "1/2 dropped from the mean over flips",
        ),
        ("images[mirrored, :, ::-1]", "images[mirrored, ::-1]", "upside down"),
        (
            "images[mirrored] = images[mirrored, :, ::-1]",
            "images[:] = images[:, :, ::-1]",
            "every row mirrored",
        ),
        (
            "mirrored = rng.random(len(X)) < 0.5",
            "mirrored = rng.random(len(X)) < 0.1",
            "1/10 for 1/2",
        ),
        (
            "X_batch = augment(X_batch, rng)",
            "pass",
            "augmentation not used",
        ),
        ("if momentum:\n", "if not momentum:\n", "momentum used when it is 0"),
        (
            "if keep_best and np.argmax(accuracies) == len(accuracies) - 1:",
            "if keep_best:",
            "the last parameters kept, not the best",
        ),
        (
            "best = {name: value.copy() for name, value in model.params.items()}",
            "best = dict(model.params)",
            "an alias: the kept parameters move on",
        ),
        (
            "        model.params[name][...] = best[name]\n",
            "        pass\n",
            "the best parameters not put back",
        ),
        ("if not 0 < value < np.inf:", "if not value < np.inf:", "a negative rate accepted"),
        ("return X, check_labels(y, len(X), num_classes)", "return X, y", "labels not checked"),
        ("X = check_inputs(X, np.shape(X)[1])\n    return X", "return X", "inputs not checked"),
        (
            '"train_acc_history": train, "val_acc_history": val}',
            '"train_acc_history": val, "val_acc_history": train}',
            "accuracies swapped",
        ),
        (
            "history[name].append(accuracy(model.predict(X), y))",
            "history[name].append(1 - accuracy(model.predict(X), y))",
            "error rate for accuracy",
        ),
        (
            "losses[-1] > 100 * max(losses[0], 1.0)",
            "losses[-1] > max(losses[0], 1.0)",
            "a loss that grew a little counts as divergence",
        ),
        ("diverged = not finite or losses", "diverged = losses", "NaN not noticed"),
        (
            "diverged = not finite or losses[-1] > 100 * max(losses[0], 1.0)",
            "diverged = not finite",
            "a loss that grew a hundredfold not noticed",
        ),
        (
            "np.isfinite([losses[-1], *squares]).all()",
            "np.isfinite(losses[-1])",
            "parameters that are not finite not noticed",
        ),
        (
            'if stop_when_diverged(history["loss_history"],',
            'if False and stop_when_diverged(history["loss_history"],',
            "divergence not noticed",
        ),
        (
            "rng, N = np.random.default_rng(rng), len(X)",
            "rng, N = np.random.default_rng(0), len(X)",
            "seed ignored",
        ),
        (
            "rng, N = np.random.default_rng(rng), len(X)",
            "rng, N = np.random.default_rng(), len(X)",
            "no seed",
        ),
        (
            "sample = rng.permutation(N)[: len(y_val)]",
            "sample = rng.permutation(N)[:1]",
            "training accuracy of one example",
        ),
        (
            "loss, grads = model.loss(X_batch, y[batch], reg)\n        rate",
            "loss, grads = model.loss(X_batch, y[: len(batch)], reg)\n        rate",
            "labels of other examples",
        ),
        (
            "loss, grads = model.loss(X_batch, y[batch], reg)\n        rate",
            "loss, grads = model.loss(X_batch, y[batch])\n        rate",
            "reg not passed on",
        ),
        (
            "-(-N // batch_size)  # (7.10)",
            "max(1, N // batch_size)  # (7.10)",
            "epochs rounded down",
        ),
        ("-(-N // batch_size)  # (7.10)", "N // batch_size + 1  # (7.10)", "an epoch too long"),
        (
            "epoch_ends = step % steps_per_epoch == 0 or step == num_iters",
            "epoch_ends = step % steps_per_epoch == 0",
            "no accuracies at the end",
        ),
        (
            "epoch_ends = step % steps_per_epoch == 0 or step == num_iters",
            "epoch_ends = step % steps_per_epoch == 1 or step == num_iters",
            "accuracies after the first step",
        ),
        (
            "(X[sample], y[sample]), val, verbose)",
            "(X[sample], y[: len(sample)]), val, verbose)",
            "sample's labels of other examples",
        ),
        (
            'history["loss_history"].append(loss)\n',
            'history["loss_history"].append(loss); learning_rate *= learning_rate_decay\n',
            "decay at every step",
        ),
        (
            "            learning_rate *= learning_rate_decay  # (7.12)",
            "            pass  # (7.12)",
            "no decay",
        ),
        (
            "learning_rate *= learning_rate_decay  # (7.12)",
            "learning_rate /= learning_rate_decay  # (7.12)",
            "decay the wrong way",
        ),
        (
            "learning_rate *= learning_rate_decay  # (7.12)",
            "learning_rate *= 1 - learning_rate_decay  # (7.12)",
            "1 - decay for decay",
        ),
        (
            "np.sqrt(q * (1 - q) / len(y_test))  # (7.21)",
            "np.sqrt(q / len(y_test))  # (7.21)",
            "1 - q dropped",
        ),
        (
            "np.sqrt(q * (1 - q) / len(y_test))  # (7.21)",
            "np.sqrt(q * (1 - q)) / len(y_test)  # (7.21)",
            "square root of N dropped",
        ),
        (
            "[eta * np.linalg.norm(grads[key]) / length[key]",
            "[np.linalg.norm(grads[key]) / length[key]",
            "rate dropped from the ratio",
        ),
    ),
]


EQUIVALENT = [
    *mutants(
        "03",
        (
            "dZ = (Z > 0).astype(float)",
            "dZ = (Z >= 0).astype(float)",
            "No entry of Z is 0: 19 are drawn from a continuous distribution by a fixed seed, and "
            "one is 2e-6. Central differences say nothing about the slope at the kink itself; "
            "notebooks 05 and 06 check its convention.",
        ),
    ),
    *mutants(
        "03",
        (
            "    if not error <= tolerance:",
            "    if error > tolerance:",
            "The two differ for NaN alone, and relative_error returns inf in its place.",
        ),
        in_checker=True,
    ),
    *mutants(
        "04",
        (
            "softmax_jacobian(p).T @ (-y_row / p)  # (4.3)",
            "softmax_jacobian(p) @ (-y_row / p)  # (4.3)",
            "J = diag(p) - p p' is symmetric, bit for bit: p_i p_j is p_j p_i in floating point. A "
            "cell of the notebook asserts the symmetry.",
        ),
    ),
    *mutants(
        "05",
        (
            "dz = da * (z > 0)  # (5.7)",
            "dz = da  # (5.7)",
            "Here da = 2 a with a = max(z, 0), so da is 0 already wherever the mask is 0.",
        ),
        (
            "dZ = relu_backward(dA, Z)\n    dX",
            "dZ = relu_backward(dA, A)\n    dX",
            "max(z, 0) > 0 exactly when z > 0, so both arrays have one mask. A cell of the "
            "notebook asserts it.",
        ),
    ),
    *mutants(
        "06",
        (
            "dZ = dA * (Z > 0)  # (6.19)",
            "dZ = dA * (A > 0)  # (6.19)",
            "max(z, 0) > 0 exactly when z > 0. The notebook says so, and why it takes Z.",
        ),
    ),
]


@functools.cache
def code_cells(number: str) -> tuple[tuple[str, str], ...]:
    """Id and source of the cells that run."""
    [path] = NOTEBOOKS.glob(f"{number}_*.ipynb")
    cells, exercises = [], False
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            exercises = exercises or cell.source.startswith("## Your turn")
        elif cell.id in COMPARE_WITH_THE_COPY or cell.cell_type != "code":
            continue
        elif not exercises or "headline" in cell.metadata.get("tags", []):
            cells.append((cell.id, cell.source))
    return tuple(cells)


@functools.cache
def checker_source() -> str:
    return Path(checker.__file__).read_text(encoding="utf-8")


def occurrences(mutant: Mutant) -> int:
    """How often the text to be replaced stands where the mutant replaces it."""
    if mutant.in_checker:
        return checker_source().count(mutant.old)
    return sum(source.count(mutant.old) for _, source in code_cells(mutant.number))


def run(number: str, mutant: Mutant | None = None) -> Run:
    """Run a notebook's cells, mutated or as they are, up to the first that raises."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    with checker_of(mutant), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning stops no student, whatever pytest makes of it
        for cell, source in code_cells(number):
            if mutant is not None and not mutant.in_checker:
                source = source.replace(mutant.old, mutant.new)
            try:
                exec(compile(source, cell, "exec"), namespace)
            except Exception as error:
                return Run(cell, error)
    return Run(namespace=namespace)


@contextlib.contextmanager
def checker_of(mutant: Mutant | None) -> Iterator[None]:
    """For as long as a notebook runs, put a mutated gradient_check in the place of the real one."""
    source = checker_source()
    if mutant is not None and mutant.in_checker:
        source = source.replace(mutant.old, mutant.new)
    module = types.ModuleType(checker.__name__)
    sys.modules[checker.__name__] = module
    try:
        exec(compile(source, checker.__name__, "exec"), module.__dict__)
        yield
    finally:
        sys.modules[checker.__name__] = checker


def numbers(run: Run) -> dict[str, np.ndarray]:
    """The numbers and arrays of numbers that a run left behind, by name."""
    arrays = {
        name: np.asarray(value)
        for name, value in (run.namespace or {}).items()
        if isinstance(value, int | float | np.number | np.ndarray)
    }
    return {name: array for name, array in arrays.items() if array.dtype.kind in "biuf"}


def main() -> int:
    """Print the figures; the exit status is 1 when a mutant survives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", action="store_true", help="each mutant and what catches it")
    options = parser.parse_args()
    survivors = []
    print(f"{'notebook':10}{'mutants':>8}{'caught':>8}{'equivalent':>12}{'seconds':>9}")
    totals: Counter[str] = Counter()
    for number in NUMBERS:
        start = time.perf_counter()
        runs = {mutant: run(number, mutant) for mutant in MUTANTS if mutant.number == number}
        survivors += [m for m in runs if not runs[m].caught or occurrences(m) != 1]
        figures = {
            "mutants": len(runs),
            "caught": sum(result.caught for result in runs.values()),
            "equivalent": sum(mutant.number == number for mutant in EQUIVALENT),
            "seconds": time.perf_counter() - start,
        }
        totals.update(figures)
        print_row(number, figures)
        if options.cells:
            for mutant, result in runs.items():
                print(f"    {mutant.fault}: {result.cell} {type(result.error).__name__}")
    print_row("all", totals)
    for mutant in survivors:
        print(f"survives: {mutant.number}, {mutant.fault}: {mutant.new}")
    print("\nEquivalent, and why:")
    for mutant in EQUIVALENT:
        old, new = (" ".join(text.split()) for text in (mutant.old, mutant.new))
        print(f"{mutant.number}  {old}  ->  {new}\n    {mutant.fault}")
    return bool(survivors)


def print_row(name: str, figures: dict[str, float]) -> None:
    print(
        f"{name:10}{figures['mutants']:>8}{figures['caught']:>8}{figures['equivalent']:>12}"
        f"{figures['seconds']:>9.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
