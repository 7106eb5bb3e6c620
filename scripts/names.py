# Writes test/fixtures/torch-names.json: PyTorch's public names, by module, for the tables of docs/coming-from.md.
# usage: python scripts/names.py   (with PyTorch installed; run by hand)
#
# Public is what has a docstring and no underscore at either end: `__add__`, `_foo` and the in-place `add_` are left out
# (of torch.nn.init and torch.nn.utils, where it is the usual form, the underscore is taken off).

import inspect
import json
import pathlib
import re
import warnings

import torch
import torch.func
import torch.nn.utils
import torch.utils.data

warnings.simplefilter("ignore")
PROPERTIES = {"T", "H", "mT", "mH", "grad", "shape", "ndim", "dtype", "device", "data", "real", "imag", "requires_grad"}
TYPING = {"Callable", "Literal", "ParamSpec", "Tensor", "TypeVar", "LinAlgError"}
# Of the compiler of scripts, of dispatching and of symbolic sizes; and copies of views, which graphs of PyTorch use.
INTERNAL = re.compile(
    "has_torch_function.*|handle_torch_function|boolean_dispatch|Optional|sym_.*|.*_copy|parse_.*|import_ir_.*|unify_.*"
    "|merge_type_.*|init_num_threads|thread_safe_generator|fork|wait|typename|is_storage|.*_validation.*"
    "|.*datapipe.*|.*DataPipe|DataChunk|non_deterministic|debug_unwrap|compiled_with_cxx11_abi|native_channel_shuffle"
    "|set_warn_always|is_warn_always_enabled|module_load|const_data_ptr|mtia|ipu|xpu|unsafe_.*|to_mkldnn"
)


def names(module, keep):
    found = set()
    for name in dir(module):
        value = getattr(module, name, None)
        if name.startswith("_") or name.endswith("_") or name in TYPING or INTERNAL.fullmatch(name):
            continue
        if keep(name, value):
            found.add(name)
    return sorted(found)


def documented(name, value):
    return callable(value) and not inspect.isclass(value) and bool(inspect.getdoc(value))


def layer(name, value):
    return inspect.isclass(value)


def of_module(module):
    return lambda name, value: inspect.isclass(value) and value.__module__ == module.__name__


def plain(names_with_underscore):
    return sorted({name.rstrip("_") for name in names_with_underscore})


tensor = set(names(torch.Tensor, documented)) | PROPERTIES
functions = set(names(torch, documented))
functional = set(names(torch.nn.functional, documented))
found = {
    "torch.Tensor": sorted(tensor),
    "torch": sorted(functions - tensor),
    "torch.nn.functional": sorted(functional - functions - tensor),
    "torch.linalg": names(torch.linalg, documented),
    "torch.fft": names(torch.fft, documented),
    "torch.special": names(torch.special, documented),
    "torch.nn": names(torch.nn, layer),
    "torch.optim": names(torch.optim, layer),
    "torch.optim.lr_scheduler": names(torch.optim.lr_scheduler, of_module(torch.optim.lr_scheduler)),
    "torch.func": names(torch.func, documented),
    "torch.autograd.functional": sorted(torch.autograd.functional.__all__),
    "torch.nn.init": plain(n for n in dir(torch.nn.init) if n.endswith("_") and not n.startswith("_"))
    + ["calculate_gain"],
    "torch.nn.utils": plain(n for n in torch.nn.utils.__all__ if callable(getattr(torch.nn.utils, n))),
    "torch.utils.data": names(torch.utils.data, lambda name, value: name in torch.utils.data.__all__),
}
file = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "torch-names.json"
lines = [f"  {json.dumps(module)}: {json.dumps(sorted(of))}" for module, of in found.items()]
file.write_text("{\n" + ",\n".join(lines) + "\n}\n")
