# PyTorch in a process of its own: requests come as lines of JSON on the standard input, answers go to the standard output.
# Inputs come as files of raw numbers, so that they are the same as everybody's. See peer.mjs for what each task gives.
# Arguments: the number of threads, and "eager" or "compile" (torch.compile, for workloads that it changes).

import json
import math
import sys
import time

import numpy
import torch
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]))
COMPILES = sys.argv[2] == "compile"
# Others are one call of a library's kernel, compiled or not.
COMPILED = {"fused", "softmax", "layerNorm", "sum", "sumRows", "chain", "mlp", "transformer", "mnist"}
TRAINING_STEPS = 3


class Unsupported(Exception):
    pass


def compiled(function):
    return torch.compile(function) if COMPILES else function


def chain(steps):
    def apply(x, y):
        for _ in range(steps):
            x = x + y
        return x

    return apply


def places(n):
    return [(i * 7919 * 31) % n for i in range(min(16, n))]


OPERATIONS = {
    "matmul": lambda w: lambda x, y: x @ y,
    "fused": lambda w: lambda a, b, c, d: torch.relu(a * b + c) * d,
    "softmax": lambda w: lambda x: torch.softmax(x, -1),
    "layerNorm": lambda w: lambda x, g, b: F.layer_norm(x, g.shape, g, b),
    "sum": lambda w: lambda x: x.sum(),
    "sumRows": lambda w: lambda x: x.sum(0),
    "conv": lambda w: lambda x, k: F.conv2d(x, k, padding=w["padding"], groups=w["groups"]),
    "attention": lambda w: F.scaled_dot_product_attention,
    "transpose": lambda w: lambda x: x.t().contiguous(),
    "strided": lambda w: lambda x: x[:, ::2].contiguous(),
    "gather": lambda w: lambda x, i: x.index_select(0, i),
    "cumsum": lambda w: lambda x: x.cumsum(0),
    "sort": lambda w: lambda x: x.sort(0).values,
    "topk": lambda w: lambda x: x.topk(w["top"], -1).values,
    "eager": lambda w: lambda x, y: x + y,
    "chain": lambda w: chain(w["chain"]),
}


def arrays(request):
    tensors = []
    for path, shape, dtype in request["inputs"]:
        data = numpy.fromfile(path, dtype=dtype).reshape(shape)
        tensors.append(torch.from_numpy(data))
    return tensors


def training(workload, tensors):
    kind = workload["kind"]
    options = workload["options"]
    if kind == "mnist":
        *weights, images, labels = tensors
    elif kind == "mlp":
        *weights, x, labels = tensors
    else:
        *weights, x = tensors
    for w in weights:
        w.requires_grad_()
    if kind == "mnist":
        optimiser = torch.optim.Adam(weights, lr=options["lr"], betas=(0.9, 0.999), eps=1e-8)
    else:
        optimiser = torch.optim.SGD(weights, lr=options["lr"])

    def loss():
        if kind == "mnist":
            w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = weights
            y = F.max_pool2d(F.relu(F.conv2d(F.relu(F.conv2d(images, w1, b1)), w2, b2)), 2)
            y = F.max_pool2d(F.relu(F.conv2d(F.relu(F.conv2d(y, w3, b3)), w4, b4)), 2)
            return F.cross_entropy(y.flatten(1) @ w5 + b5, labels.long())
        if kind == "mlp":
            return F.cross_entropy(F.relu(x @ weights[0]) @ weights[1], labels.long())
        batch, tokens, width, heads = (options[name] for name in ("batch", "tokens", "width", "heads"))
        wq, wk, wv, wo, w1, w2 = weights
        split = lambda y: y.reshape(batch, tokens, heads, width // heads).permute(0, 2, 1, 3)
        seen = F.scaled_dot_product_attention(split(x @ wq), split(x @ wk), split(x @ wv))
        y = x + seen.permute(0, 2, 1, 3).reshape(batch, tokens, width) @ wo
        return (y + F.relu(y @ w1) @ w2).square().mean()

    last = [None]
    loss = compiled(loss)

    def run():
        value = loss()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        last[0] = value

    losses = []
    for _ in range(TRAINING_STEPS):
        run()
        losses.append(last[0].item())
    return run, losses


def setup(request):
    workload = request["workload"]
    if COMPILES and workload["kind"] not in COMPILED:
        raise Unsupported("it calls the same kernel as without")
    tensors = arrays(request)
    if workload["trains"]:
        run, sample = training(workload, tensors)
        return run, sample
    apply = compiled(OPERATIONS[workload["kind"]](workload))
    result = [None]

    def run():
        result[0] = None
        with torch.no_grad():
            result[0] = apply(*tensors)

    run()
    flat = result[0].reshape(-1)
    return run, [float(flat[place]) for place in places(flat.numel())]


def answer(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


answer({"version": torch.__version__, "note": "%s; %d threads" % (sys.argv[2], torch.get_num_threads())})
current = None
for line in sys.stdin:
    request = json.loads(line)
    try:
        if request["task"] == "setup":
            current, sample = setup(request)
            answer({"sample": sample})
        elif request["task"] == "round":
            times = []
            end = time.perf_counter() + request["milliseconds"] / 1000
            while True:
                start = time.perf_counter()
                for _ in range(request["repeat"]):
                    current()
                times.append((time.perf_counter() - start) * 1000 / request["repeat"])
                if time.perf_counter() >= end:
                    break
            answer({"times": times})
        else:
            current = None
            answer({})
    except Exception as error:
        if isinstance(error, Unsupported):
            answer({"error": str(error), "unsupported": True})
        else:
            answer({"error": f"{type(error).__name__}: {error}"})
