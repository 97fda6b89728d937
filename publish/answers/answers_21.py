"""Answers to the exercises of 21_sequences, right and wrong."""

import numpy as np

from cs231n_utils.taught.losses import softmax, softmax_loss
from cs231n_utils.taught.sequences import sequence_loss

bits_and_choices = {
    "right_list": lambda loss: [np.log2(np.exp(loss)), 2 ** (loss / np.log(2))],
    "right_array": lambda loss: np.array([loss * np.log2(np.e), np.exp(loss)]),
    "wrong_log_of_the_loss": lambda loss: (np.log2(loss), np.exp(loss)),
    "wrong_multiplied": lambda loss: (loss * np.log(2), np.exp(loss)),
    "wrong_two_to_the_nats": lambda loss: (loss / np.log(2), 2**loss),
    "wrong_e_to_the_bits": lambda loss: (loss / np.log(2), np.exp(loss / np.log(2))),
    "wrong_order": lambda loss: (np.exp(loss), loss / np.log(2)),
    "wrong_bits_alone": lambda loss: loss / np.log(2),
}


def loss_of_batch__right_layer(S, y):
    return sequence_loss(S, y)


def loss_of_batch__right_rows(S, y):
    rows = np.flatnonzero(y.ravel() >= 0)
    loss, dS_rows = softmax_loss(S.reshape(-1, S.shape[2])[rows], y.ravel()[rows])
    dS = np.zeros((y.size, S.shape[2]))
    dS[rows] = dS_rows
    return [loss, dS.reshape(S.shape)]


def batch_in_loops(S, y, weight, gradient_weight=None):
    """Loss and dS from those of each window, weighted."""
    loss, dS = 0.0, np.zeros_like(S)
    for n in range(len(S)):
        counts = y[n] >= 0
        if counts.any():
            alone, rows = softmax_loss(S[n][counts], y[n][counts])
            loss += weight(counts.sum(), y) * alone
            dS[n][counts] = (gradient_weight or weight)(counts.sum(), y) * rows
    return loss, dS


def shared(count, y):
    return count / np.sum(y >= 0)


def mean_of_means(count, y):
    return 1 / len(y)


def loss_of_batch__wrong_suspect(S, y):
    return batch_in_loops(S, y, mean_of_means)


def loss_of_batch__wrong_gradient_left(S, y):
    return batch_in_loops(S, y, shared, mean_of_means)


def loss_of_batch__wrong_loss_left(S, y):
    return batch_in_loops(S, y, mean_of_means, shared)


def loss_of_batch__wrong_boxes(S, y):
    return batch_in_loops(S, y, lambda count, y: count / y.size)


def loss_of_batch__wrong_sum(S, y):
    return batch_in_loops(S, y, lambda count, y: count)


def loss_of_batch__wrong_windows_that_count(S, y):
    return batch_in_loops(S, y, lambda count, y: 1 / np.sum((y >= 0).any(axis=1)))


def loss_of_batch__wrong_filling_as_class_0(S, y):
    loss, dS = softmax_loss(S.reshape(-1, S.shape[2]), np.maximum(y, 0).ravel())
    return loss, dS.reshape(S.shape) * (y >= 0)[..., None]


def loss_of_batch__wrong_last_letter(S, y):
    loss, dS = softmax_loss(S.reshape(-1, S.shape[2]), (y % S.shape[2]).ravel())
    return loss, dS.reshape(S.shape)


def loss_from_counts__right_loops(W, F):
    loss, dW, M = 0.0, np.zeros_like(W), F.sum()
    for i, j in np.ndindex(F.shape):
        alone, dS = softmax_loss(W[[i]], np.array([j]))
        loss += F[i, j] * alone / M
        dW[i] += F[i, j] * dS[0] / M
    return [loss, dW]


def from_counts(W, F, rows=1, M=None, sign=1):
    """An answer with other row sums, another number of positions, or another sign."""
    P, M = softmax(W), F.sum() if M is None else M
    loss = -np.sum(F * np.log(P)) / F.sum()
    return loss, sign * (F.sum(axis=rows, keepdims=True) * P - F) / M


def loss_from_counts__wrong_columns(W, F):
    return from_counts(W, F, rows=0)


def loss_from_counts__wrong_mean_over_rows(W, F):
    return from_counts(W, F, M=len(F))


def loss_from_counts__wrong_sign(W, F):
    return from_counts(W, F, sign=-1)


def loss_from_counts__wrong_shares(W, F):
    return from_counts(W, F)[0], softmax(W) - F / F.sum(axis=1, keepdims=True)


def loss_from_counts__wrong_without_row_sums(W, F):
    return from_counts(W, F)[0], (softmax(W) - F) / F.sum()


def loss_from_counts__wrong_transposed(W, F):
    return from_counts(W, F.T)


def loss_from_counts__wrong_total_loss(W, F):
    loss, dW = from_counts(W, F)
    return loss * F.sum(), dW


def loss_from_counts__wrong_bits(W, F):
    loss, dW = from_counts(W, F)
    return loss / np.log(2), dW


def loss_from_counts__wrong_gradient_alone(W, F):
    return from_counts(W, F)[1]
