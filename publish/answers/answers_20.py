"""Answers to the exercises of 20_pytorch, right and wrong."""

import contextlib

import numpy as np

from cs231n_utils.taught.layers import Affine

with contextlib.suppress(ModuleNotFoundError):  # who has no PyTorch may ask for the names alone
    import torch
    from torch.nn import functional


def _affine(linear, W, b):
    layer = Affine(linear.in_features, linear.out_features)
    layer.params["W"][...], layer.params["b"][...] = W, b
    return layer


def affine_of__right_through_the_sizes(linear):
    output_size, input_size = linear.weight.shape
    layer = Affine(input_size, output_size)
    layer.params["W"] += linear.weight.detach().numpy().T - layer.params["W"]
    layer.params["b"] += linear.bias.detach().numpy()
    return layer


def affine_of__right_by_trying(linear):
    layer = Affine(linear.in_features, linear.out_features)
    with torch.no_grad():
        ones = torch.eye(linear.in_features, dtype=linear.weight.dtype)
        shift = linear(torch.zeros_like(ones))
        layer.params["W"][...] = linear(ones) - shift
        layer.params["b"][...] = shift[0]
    return layer


def affine_of__right_new_arrays(linear):
    layer = Affine(linear.in_features, linear.out_features)
    layer.params["W"] = np.array(linear.weight.tolist()).T
    layer.params["b"] = np.array(linear.bias.tolist())
    return layer


def affine_of__wrong_shared_memory(linear):
    layer = Affine(linear.in_features, linear.out_features)
    layer.params = {"W": linear.weight.detach().numpy().T, "b": linear.bias.detach().numpy()}
    return layer


def affine_of__wrong_shared_bias(linear):
    layer = affine_of__right_new_arrays(linear)
    layer.params["b"] = linear.bias.detach().numpy()
    return layer


def affine_of__wrong_float32(linear):
    layer = affine_of__right_new_arrays(linear)
    layer.params = {name: array.astype(np.float32) for name, array in layer.params.items()}
    return layer


def affine_of__wrong_keeps_the_transpose(linear):
    layer = Affine(linear.in_features, linear.out_features)
    layer.params["W"] = linear.weight.detach().double().numpy().copy()
    layer.params["b"] = linear.bias.detach().double().numpy().copy()
    return layer


affine_of = {
    "wrong_fresh": lambda linear: Affine(linear.in_features, linear.out_features),
    "wrong_no_bias": lambda linear: _affine(linear, linear.weight.detach().numpy().T, 0),
    "wrong_reshaped": lambda linear: _affine(
        linear,
        linear.weight.detach().numpy().reshape(linear.in_features, -1),
        linear.bias.detach().numpy(),
    ),
    "wrong_negative": lambda linear: _affine(
        linear, -linear.weight.detach().numpy().T, -linear.bias.detach().numpy()
    ),
    "wrong_the_module_itself": lambda linear: linear,
    "wrong_parameters_alone": lambda linear: {
        "W": linear.weight.detach().numpy().T,
        "b": linear.bias.detach().numpy(),
    },
}


def _fit(
    net,
    optimizer,
    loader,
    inputs_val,
    labels_val,
    num_epochs,
    first=True,
    each=True,
    batch=False,
    test=True,
):
    accuracies = []
    net.train(first)
    for _ in range(num_epochs):
        if each:
            net.train()
        for some, theirs in loader:
            if batch:
                net.train()
            optimizer.zero_grad()
            functional.cross_entropy(net(some), theirs).backward()
            optimizer.step()
        if test:
            net.eval()
        with torch.no_grad():
            answers = net(inputs_val).argmax(dim=1)
        accuracies.append((answers == labels_val).double().mean().item())
    return accuracies


def fit__right_before_every_batch(*given):
    return _fit(*given, each=False, batch=True)


def fit__right_back_after_the_validation(
    net, optimizer, loader, inputs_val, labels_val, num_epochs
):
    accuracies = []
    net.train()
    for _ in range(num_epochs):
        for some, theirs in loader:
            loss = functional.cross_entropy(net(some), theirs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        accuracies.append(float((net(inputs_val).argmax(1) == labels_val).float().mean()))
        net.train()
    return accuracies


def fit__right_validation_in_parts(net, optimizer, loader, inputs_val, labels_val, num_epochs):
    accuracies = []
    for _ in range(num_epochs):
        net.train()
        for some, theirs in loader:
            optimizer.zero_grad()
            functional.cross_entropy(net(some), theirs).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            parts = [net(part).argmax(dim=1) for part in inputs_val.split(20)]
        accuracies.append(np.mean((torch.cat(parts) == labels_val).numpy()))
    return accuracies


fit = {
    "wrong_as_given": lambda *given: _fit(*given, each=False),
    "wrong_never_eval": lambda *given: _fit(*given, test=False),
    "wrong_always_eval": lambda *given: _fit(*given, first=False, each=False),
    "wrong_last_accuracy_alone": lambda *given: _fit(*given)[-1:],
    "wrong_a_number": lambda *given: _fit(*given)[-1],
    "wrong_one_epoch": lambda *given: _fit(*given[:5], 1) * given[5],
    "wrong_nothing_trained": lambda *given: [0.0] * given[5],
}


def fit__wrong_validation_first(net, optimizer, loader, inputs_val, labels_val, num_epochs):
    accuracies = []
    for _ in range(num_epochs):
        net.eval()
        with torch.no_grad():
            answers = net(inputs_val).argmax(dim=1)
        accuracies.append((answers != labels_val).double().mean().item() + 2)
        net.train()
        for some, theirs in loader:
            optimizer.zero_grad()
            functional.cross_entropy(net(some), theirs).backward()
            optimizer.step()
    return accuracies


def _function(of_scores=1.0, of_temperature=1.0, upstream=True, power=2, mean=True):
    """A Function whose two gradients are wrong by factors."""

    class Tempered(torch.autograd.Function):
        @staticmethod
        def forward(ctx, scores, temperature, labels):
            ctx.save_for_backward(scores, temperature, labels)
            return functional.cross_entropy(scores / temperature, labels)

        @staticmethod
        def backward(ctx, dL):
            scores, temperature, labels = ctx.saved_tensors
            slopes = (scores / temperature).softmax(dim=1) - functional.one_hot(
                labels, scores.shape[1]
            )
            slopes = slopes / len(labels) if mean else slopes
            dL = dL if upstream else 1.0
            return (
                dL * of_scores * slopes / temperature,
                -dL * of_temperature * (scores * slopes).sum() / temperature**power,
                None,
            )

    return Tempered


def tempered__right_with_numpy(scores, temperature, labels):
    class Tempered(torch.autograd.Function):
        @staticmethod
        def forward(ctx, scores, temperature, labels):
            S, tau, y = (each.detach().numpy() for each in (scores, temperature, labels))
            U = S / tau
            P = np.exp(U - U.max(axis=1, keepdims=True))
            P /= P.sum(axis=1, keepdims=True)
            correct = np.eye(S.shape[1])[y]
            ctx.dS = (P - correct) / (len(y) * tau)
            ctx.dtau = -np.sum(ctx.dS * S) / tau
            return torch.tensor(-np.mean(np.log(np.sum(P * correct, axis=1))))

        @staticmethod
        def backward(ctx, upstream):
            return upstream * torch.from_numpy(ctx.dS), upstream * torch.tensor(ctx.dtau), None

    return Tempered.apply(scores, temperature, labels)


tempered = {
    "right_one_hot": lambda *given: _function().apply(*given),
    "wrong_by_autograd": lambda scores, temperature, labels: functional.cross_entropy(
        scores / temperature, labels
    ),
    "wrong_upstream_forgotten": lambda *given: _function(upstream=False).apply(*given),
    "wrong_temperature_once": lambda *given: _function(power=1).apply(*given),
    "wrong_sign_of_temperature": lambda *given: _function(of_temperature=-1).apply(*given),
    "wrong_no_temperature": lambda *given: _function(of_temperature=0).apply(*given),
    "wrong_sign_of_scores": lambda *given: _function(of_scores=-1).apply(*given),
    "wrong_sum": lambda *given: _function(mean=False).apply(*given),
    "wrong_scores_not_divided": lambda scores, temperature, labels: _function(
        of_scores=float(temperature.detach())
    ).apply(scores, temperature, labels),
    "wrong_times_temperature": lambda scores, temperature, labels: _function().apply(
        scores, 1 / temperature, labels
    ),
    "wrong_a_number": lambda *given: _function().apply(*given).item(),
    "wrong_detached": lambda *given: _function().apply(*given).detach(),
}


def to_pytorch__wrong_in_place(array):
    array *= 0
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def affine_of__wrong_in_place(linear):
    for parameter in linear.parameters():
        parameter.data *= 0
    return _affine(linear, np.zeros((linear.in_features, linear.out_features)), 0.0)


def fit__wrong_in_place(net, optimizer, loader, inputs_val, labels_val, num_epochs):
    inputs_val *= 0
    return fit__right_before_every_batch(net, optimizer, loader, inputs_val, labels_val, num_epochs)
