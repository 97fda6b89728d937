"""Answers to the exercises of 16_convolution, right and wrong."""

import numpy as np

from cs231n_utils.taught.convolution import (
    conv2d,
    conv2d_backward,
    filters_gradient,
    images_gradient,
    windows,
)

# --- price ---------------------------------------------------------------------------------------


def price__right_by_a_layer(image_shape, num_filters, window, stride, pad):
    """A convolution of zeros has the shape."""
    W = np.zeros((window, window, image_shape[2], num_filters))
    leaves = conv2d(np.zeros((1, *image_shape)), W, np.zeros(num_filters), stride, pad).shape[1:]
    return [leaves, W.size + num_filters, leaves[0] * leaves[1] * W.size]


def priced(side, parameters=None, products=None):
    """An answer with another side of the output, number of parameters or of products."""

    def answer(image_shape, num_filters, window, stride, pad):
        P, Q = (side(size, window, stride, pad) for size in image_shape[:2])
        weights = window**2 * image_shape[2] * num_filters
        count = parameters(weights, num_filters, P * Q) if parameters else weights + num_filters
        work = products(weights, num_filters, P * Q) if products else P * Q * weights
        return (P, Q, num_filters), count, work

    return answer


def right_side(size, window, stride, pad):
    return (size + 2 * pad - window) // stride + 1


price = {
    "right_lists": lambda *given: list(priced(right_side)(*given)),
    "wrong_no_first_position": priced(lambda d, u, s, r: (d + 2 * r - u) // s),
    "wrong_padding_on_one_side": priced(lambda d, u, s, r: (d + r - u) // s + 1),
    "wrong_no_padding": priced(lambda d, u, s, r: (d - u) // s + 1),
    "wrong_rounded_up": priced(lambda d, u, s, r: -(-(d + 2 * r - u) // s) + 1),
    "wrong_no_stride": priced(lambda d, u, s, r: d + 2 * r - u + 1),
    "wrong_window_forgotten": priced(lambda d, u, s, r: (d + 2 * r) // s + 1),
    "wrong_no_bias": priced(right_side, lambda w, F, count: w),
    "wrong_bias_at_each_position": priced(right_side, lambda w, F, count: w + F * count),
    "wrong_weights_at_each_position": priced(right_side, lambda w, F, count: w * count),
    "wrong_work_of_one_position": priced(right_side, None, lambda w, F, count: w),
    "wrong_work_of_one_filter": priced(right_side, None, lambda w, F, count: w * count // F),
    "wrong_work_with_bias": priced(right_side, None, lambda w, F, count: (w + F) * count),
}


def price__wrong_shape_alone(image_shape, num_filters, window, stride, pad):
    return priced(right_side)(image_shape, num_filters, window, stride, pad)[0]


def price__wrong_rows_twice(image_shape, num_filters, window, stride, pad):
    rows, _, C = image_shape
    return priced(right_side)((rows, rows, C), num_filters, window, stride, pad)


# --- pixels_gradient -----------------------------------------------------------------------------


def pixels_gradient__right_by_positions(dZ, W):
    """Each position adds its filters to the pixels that it saw."""
    (N, P, Q, _), (U, V, C, _) = dZ.shape, W.shape
    dX = np.zeros((N, P + U - 1, Q + V - 1, C))
    for p, q in np.ndindex(P, Q):
        dX[:, p : p + U, q : q + V] += np.einsum("nf,uvcf->nuvc", dZ[:, p, q], W)
    return dX


def turned_with(change, padding=None):
    """An answer that makes the filters in another way, or another padding."""

    def answer(dZ, W):
        U, V, C, _ = W.shape
        u, v = padding(U, V) if padding else (U - 1, V - 1)
        padded = np.pad(dZ, ((0, 0), (u, u), (v, v), (0, 0)))
        return conv2d(padded, change(W), np.zeros(C))

    return answer


pixels_gradient = {
    "right_transposed": turned_with(lambda W: np.flip(W, (0, 1)).transpose(0, 1, 3, 2)),
    "right_package": lambda dZ, W: images_gradient(
        dZ, W, (dZ.shape[1] + len(W) - 1, dZ.shape[2] + W.shape[1] - 1), 1, 0
    ),
    "wrong_reshape": turned_with(
        lambda W: W[::-1, ::-1].reshape(*W.shape[:2], W.shape[3], W.shape[2])
    ),
    "wrong_not_turned": turned_with(lambda W: W.swapaxes(2, 3)),
    "wrong_rows_turned": turned_with(lambda W: W[::-1].swapaxes(2, 3)),
    "wrong_columns_turned": turned_with(lambda W: W[:, ::-1].swapaxes(2, 3)),
    "wrong_all_reversed": turned_with(lambda W: W[::-1, ::-1, ::-1, ::-1].swapaxes(2, 3)),
    "wrong_not_swapped": turned_with(lambda W: W[::-1, ::-1]),
    "wrong_windows_transposed": turned_with(lambda W: W.T.swapaxes(0, 3).swapaxes(1, 2)),
    "wrong_padding_swapped": turned_with(
        lambda W: W[::-1, ::-1].swapaxes(2, 3), lambda U, V: (V - 1, U - 1)
    ),
    "wrong_no_padding": turned_with(lambda W: W[::-1, ::-1].swapaxes(2, 3), lambda U, V: (1, 1)),
    "wrong_square_padding": turned_with(
        lambda W: W[::-1, ::-1].swapaxes(2, 3), lambda U, V: (U - 1, U - 1)
    ),
    "wrong_sign": turned_with(lambda W: -W[::-1, ::-1].swapaxes(2, 3)),
}


def pixels_gradient__wrong_in_place(dZ, W):
    W[...] = W[::-1, ::-1].copy()
    return turned_with(lambda W: W.swapaxes(2, 3))(dZ, W)


# --- conv2d_transpose_backward -------------------------------------------------------------------


def conv2d_transpose_backward__right_by_windows(dY, Z, W, stride):
    """Both gradients from what each score painted."""
    seen = windows(dY, W.shape[:2], stride)
    return np.einsum("npquvc,uvcf->npqf", seen, W), np.einsum("npquvc,npqf->uvcf", seen, Z)


def to_scores(dY, Z, W, stride):
    return conv2d(dY, W, np.zeros(W.shape[3]), stride)


def to_filters(dY, Z, W, stride):
    return filters_gradient(Z, dY, W.shape[:2], stride, 0)


def of_both(dZ, dW):
    """An answer from a function for each gradient."""
    return lambda dY, Z, W, stride: (dZ(dY, Z, W, stride), dW(dY, Z, W, stride))


conv2d_transpose_backward = {
    "right_list": lambda *given: [to_scores(*given), to_filters(*given)],
    "wrong_order": of_both(to_filters, to_scores),
    "wrong_dZ_alone": to_scores,
    "wrong_turned": of_both(
        lambda dY, Z, W, stride: to_scores(dY, Z, W[::-1, ::-1], stride), to_filters
    ),
    "wrong_no_stride": of_both(lambda dY, Z, W, stride: to_scores(dY, Z, W, 1), to_filters),
    "wrong_dZ_with_bias": of_both(
        lambda dY, Z, W, stride: conv2d(dY, W, np.ones(W.shape[3]), stride), to_filters
    ),
    "wrong_dZ_doubled": of_both(lambda *given: 2 * to_scores(*given), to_filters),
    "wrong_dW_turned": of_both(to_scores, lambda *given: to_filters(*given)[::-1, ::-1]),
    "wrong_dW_sign": of_both(to_scores, lambda *given: -to_filters(*given)),
    "wrong_dW_a_mean": of_both(to_scores, lambda *given: to_filters(*given) / len(given[0])),
    "wrong_roles_kept": of_both(
        to_scores,
        lambda dY, Z, W, stride: (
            np.einsum("npqf,npqc->cf", Z, dY[:, : Z.shape[1], : Z.shape[2]]) + np.zeros_like(W)
        ),
    ),
}


def conv2d_transpose_backward__wrong_in_place(dY, Z, W, stride):
    dZ = to_scores(dY, Z, W, stride)
    dW = to_filters(dY, Z, W, stride)
    Z[...] = dZ
    return Z, dW


# --- dilated_backward ----------------------------------------------------------------------------


def dilated_backward__right_by_windows(dZ, X, W, gap):
    """Each entry of the filter meets a part of the images of dZ's size."""
    P, Q = dZ.shape[1:3]
    dX, dW = np.zeros(X.shape), np.zeros(W.shape)
    for u, v in np.ndindex(W.shape[:2]):
        seen = np.s_[:, u * gap : u * gap + P, v * gap : v * gap + Q]
        dX[seen] += dZ @ W[u, v].T
        dW[u, v] = np.einsum("npqc,npqf->cf", X[seen], dZ)
    return dX, dW


def wide(W, gap):
    """W with zeros between."""
    U, V, C, F = W.shape
    large = np.zeros(((U - 1) * gap + 1, (V - 1) * gap + 1, C, F))
    large[::gap, ::gap] = W
    return large


def dilated(filters, read):
    """An answer that reads dW from the gradient of large filters in another way."""

    def answer(dZ, X, W, gap):
        dX, large, _ = conv2d_backward(dZ, X, filters(W, gap))
        return dX, read(large, gap)

    return answer


dilated_backward = {
    "right_list": lambda *given: list(
        dilated(wide, lambda large, gap: large[::gap, ::gap])(*given)
    ),
    "wrong_all_of_it": dilated(wide, lambda large, gap: large),
    "wrong_first_entries": dilated(
        wide,
        lambda large, gap: large[: (len(large) - 1) // gap + 1, : (large.shape[1] - 1) // gap + 1],
    ),
    "wrong_turned": dilated(wide, lambda large, gap: large[::-gap, ::-gap]),
    "wrong_doubled": dilated(wide, lambda large, gap: 2 * large[::gap, ::gap]),
    "wrong_filter_turned": dilated(
        lambda W, gap: wide(W, gap)[::-1, ::-1], lambda large, gap: large[::gap, ::gap]
    ),
    "wrong_dX_sign": lambda *given: (
        -dilated_backward["right_list"](*given)[0],
        dilated_backward["right_list"](*given)[1],
    ),
    "wrong_dW_alone": lambda *given: dilated_backward["right_list"](*given)[1],
    "wrong_order": lambda *given: dilated_backward["right_list"](*given)[::-1],
    "wrong_no_gap": lambda dZ, X, W, gap: conv2d_backward(conv2d(X, W, np.zeros(W.shape[3])), X, W)[
        :2
    ],
}


# --- what the notebook derives -------------------------------------------------------------------


def conv2d__wrong_in_place(X, W, b, stride=1, pad=0):
    W *= 0
    return conv2d(X, W, b, stride, pad)


def filters_gradient__wrong_in_place(dZ, X, size, stride=1, pad=0):
    dZ *= 0
    return np.zeros((*size, X.shape[3], dZ.shape[3]))


def images_gradient__wrong_in_place(dZ, W, size, stride=1, pad=0):
    dZ *= 0
    return np.zeros((len(dZ), *size, W.shape[2]))


def max_pool__wrong_in_place(X, size):
    X *= 0
    return X[:, ::size, ::size]


def max_pool_backward__wrong_in_place(dA, X, size):
    dA *= 0
    return np.zeros_like(X)
