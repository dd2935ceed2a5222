"""A good call of everything public, argument by argument, from which a test makes bad ones."""

import tempfile
from pathlib import Path

import numpy as np

from refboot import classifier, exchange, loss, ops, optim, routine, synapse
from refboot import settings as settings_room
from refboot.ann_sampler import AnnSampler
from refboot.block import cuba
from refboot.data import (
    Compose,
    DataLoader,
    Dataset,
    Normalize,
    RandomAffine,
    ToTensor,
    load_digits,
    load_mnist,
    read_idx,
)
from refboot.io import event, netx, state
from refboot.network import Network
from refboot.neuron import Dropout, alif, integrate_fire, norm
from refboot.neuron import cuba as cuba_neuron
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.stats import LearningStat, LearningStats
from refboot.training import Run, build, evaluation_loader, loaders, resumed_settings, step
from refboot.training.guard import Guard

PARAMS = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
SETTINGS = settings_room.Settings(
    data="digits", hidden=(3,), epochs=1, num_sample_iter=1, batch_size=700, augment=False
)
WINDOW = {"kernel_size": 2, "stride": 1, "padding": 0, "dilation": 1}
WEIGHT = {
    "weight_scale": 1.0,
    "weight_norm": False,
    "pre_hook_fx": synapse.quantize_8bit,
    "mask": None,
}
LOGS = {"delay_shift": False, "count_log": False}
SNN = LayerMode(0, Mode.SNN)
BATCHES = [(np.ones((2, 3), np.float32), np.array([0, 1]))]


class Idle:
    """An optimiser that changes nothing."""

    def zero_grad(self):
        pass

    def step(self):
        pass


def rng():
    return np.random.default_rng(0)


def ones(*shape):
    return np.ones(shape, np.float32)


def folder():
    return Path(tempfile.mkdtemp(prefix="refboot-api-"))


def dense(**more):
    return cuba.Dense(PARAMS, 3, 2, **more, rng=rng())


def network():
    return Network(
        [cuba.Input(PARAMS, 1, 0, rng=rng()), dense(), cuba.Affine(PARAMS, 2, 2, rng=rng())],
        (3,),
        4,
    )


def ran(thing, x, mode):
    thing.forward(x, mode)
    return thing


def fitted():
    sampler = AnnSampler(rng=rng())
    sampler.append(np.linspace(0, 1, 50)[:, None], np.linspace(-1, 2, 50)[:, None])
    sampler.fit()
    return sampler


def dataset():
    return Dataset(np.zeros((4, 1, 2, 2), np.uint8), np.arange(4), "four", 10)


def stat():
    stat = LearningStat()
    stat.num_samples, stat.loss_sum, stat.correct_samples = 4, 2.0, 3
    return stat


def saved(kind):
    path = folder() / "file"
    if kind == "state":
        state.save(network(), path)
    elif kind == "net":
        network().export_hdf5(path)
    else:
        path.write_bytes(b"\0\0\x08\x01\0\0\0\x01\x07")
    return path


def a_few():
    return event.Event([0, 1], None, [0, 1], [1, 2])


def parameter():
    return network().parameters()


NEURON = {
    "threshold": 1.25,
    "current_decay": 1.0,
    "voltage_decay": 0.03,
    "tau_grad": 1.0,
    "scale_grad": 1.0,
    "norm": None,
    "dropout": None,
    "shared_param": True,
    "persistent_state": False,
    "requires_grad": False,
    "graded_spike": False,
    "reset": "zero",
    "loihi_limits": False,
}

# name: what makes (function, its arguments); each is called with one argument after the other
# replaced by something bad.
CALLS = {
    "Network": lambda: (Network, {"blocks": [dense()], "input_shape": (3,), "time_steps": 4}),
    "Network.build": lambda: (network().build, {"input_shape": (3,)}),
    "Network.forward": lambda: (network().forward, {"x": ones(2, 3), "mode": SNN}),
    "Network.trace": lambda: (network().trace, {"x": ones(2, 3)}),
    "Network.backward": lambda: (ran(network(), ones(2, 3), SNN).backward, {"grad": ones(2, 2, 4)}),
    "Network.train": lambda: (network().train, {"training": True}),
    "Network.load_state": lambda: (network().load_state, {"state": network().state()}),
    "Network.spec": lambda: (network().spec, {"notes": {"a": 1}}),
    "Network.export_hdf5": lambda: (
        network().export_hdf5,
        {"path": folder() / "net", "notes": {"a": 1}},
    ),
    "Input": lambda: (
        cuba.Input,
        {
            "neuron_params": PARAMS,
            "weight": 1,
            "bias": 0,
            "pre_hook_fx": None,
            **LOGS,
            "rng": rng(),
        },
    ),
    "Dense": lambda: (
        cuba.Dense,
        {
            "neuron_params": PARAMS,
            "in_neurons": 3,
            "out_neurons": 2,
            **WEIGHT,
            **LOGS,
            "rng": rng(),
        },
    ),
    "Affine": lambda: (
        cuba.Affine,
        {
            "neuron_params": PARAMS,
            "in_neurons": 3,
            "out_neurons": 2,
            **WEIGHT,
            "count_log": False,
            "rng": rng(),
        },
    ),
    "Conv": lambda: (
        cuba.Conv,
        {
            "neuron_params": PARAMS,
            "in_features": 2,
            "out_features": 2,
            **WINDOW,
            "groups": 1,
            **WEIGHT,
            **LOGS,
            "rng": rng(),
        },
    ),
    "Pool": lambda: (
        cuba.Pool,
        {
            "neuron_params": PARAMS,
            **WINDOW,
            "weight_scale": 1.0,
            "pre_hook_fx": None,
            **LOGS,
            "rng": rng(),
        },
    ),
    "Average": lambda: (cuba.Average, {"num_outputs": 2}),
    "make_neuron": lambda: (cuba.make_neuron, {"params": PARAMS}),
    "Dense.forward": lambda: (dense().forward, {"x": ones(2, 3, 4), "mode": Mode.SAMPLE}),
    "Dense.backward": lambda: (
        ran(dense(), ones(2, 3, 4), Mode.SNN).backward,
        {"grad": ones(2, 2, 4)},
    ),
    "Dense.trace": lambda: (dense().trace, {"x": ones(2, 3, 4)}),
    "Dense.build": lambda: (dense().build, {"shape": (3,)}),
    "Dense.load_buffers": lambda: (dense().load_buffers, {"buffers": {}}),
    "Conv.forward": lambda: (
        cuba.Conv(PARAMS, 1, 2, 2, rng=rng()).forward,
        {"x": ones(1, 1, 3, 3, 2), "mode": Mode.SNN},
    ),
    "Flatten.forward": lambda: (cuba.Flatten().forward, {"x": ones(2, 3, 4), "mode": Mode.SNN}),
    "cuba.Neuron": lambda: (cuba_neuron.Neuron, dict(NEURON)),
    "cuba.Neuron.trace": lambda: (cuba_neuron.Neuron(**PARAMS).trace, {"z": ones(1, 2, 3)}),
    "Dropout": lambda: (Dropout, {"p": 0.5, "rng": rng()}),
    "MeanOnlyBatchNorm": lambda: (norm.MeanOnlyBatchNorm, {"momentum": 0.1, "quantised": True}),
    "WgtScaleBatchNorm": lambda: (
        norm.WgtScaleBatchNorm,
        {"momentum": 0.1, "quantised": True, "bits": 3},
    ),
    "synapse.Dense": lambda: (
        synapse.Dense,
        {"in_neurons": 3, "out_neurons": 2, **WEIGHT, "rng": rng()},
    ),
    "synapse.Scalar": lambda: (synapse.Scalar, {"weight": 1.0, "bias": 0.0, "pre_hook_fx": None}),
    "AnnSampler": lambda: (
        AnnSampler,
        {"num_centers": 5, "sample_range": (0.1, 0.9), "eps": 1e-5, "capacity": 100, "rng": rng()},
    ),
    "AnnSampler.append": lambda: (AnnSampler().append, {"a": ones(2, 3, 4), "z": ones(2, 3, 4)}),
    "AnnSampler.restore": lambda: (AnnSampler().restore, {"points": ones(2, 5)}),
    "AnnSampler.soft_clear": lambda: (fitted().soft_clear, {"rng": rng()}),
    "cross_entropy": lambda: (loss.cross_entropy, {"logits": ones(2, 3), "labels": [0, 1]}),
    "rate": lambda: (classifier.Rate.rate, {"spikes": ones(2, 3, 4)}),
    "confidence": lambda: (
        classifier.Rate.confidence,
        {"spikes": ones(2, 3, 4), "mode": "softmax", "eps": 1e-6},
    ),
    "confidence_backward": lambda: (
        classifier.Rate.confidence_backward,
        {"grad": ones(2, 3), "spikes": ones(2, 3, 4), "mode": "softmax", "eps": 1e-6},
    ),
    "rate_backward": lambda: (classifier.Rate.rate_backward, {"grad": ones(2, 3), "steps": 4}),
    "predict": lambda: (classifier.Rate.predict, {"spikes": ones(2, 3, 4)}),
    "SGD": lambda: (optim.SGD, {"parameters": parameter(), "lr": 0.1, "momentum": 0.5}),
    "Adam": lambda: (
        optim.Adam,
        {"parameters": parameter(), "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8},
    ),
    "ops.use": lambda: (ops.resolve, {"choice": "reference"}),
    "LayerMode": lambda: (routine.LayerMode, {"crossover": 0, "base_mode": Mode.SNN}),
    "LayerMode.of": lambda: (SNN.of, {"layer": 0}),
    "Scheduler": lambda: (
        Scheduler,
        {"num_sample_iter": 1, "sample_period": 2, "crossover_epochs": (1,)},
    ),
    "Scheduler.mode": lambda: (Scheduler().mode, {"epoch": 0, "iteration": 0, "train": True}),
    "Scheduler.crossover": lambda: (Scheduler().crossover, {"epoch": 0}),
    "Scheduler.sync_snn_stat": lambda: (Scheduler().sync_snn_stat, {"stat": stat()}),
    "LearningStat": lambda: (
        LearningStat,
        {"loss_str": "a", "loss_unit": "b", "accuracy_str": "c", "accuracy_unit": "d"},
    ),
    "LearningStat.restore": lambda: (LearningStat().restore, {"state": stat().to_dict()}),
    "LearningStats": lambda: (
        LearningStats,
        {"loss_str": "a", "loss_unit": "b", "accuracy_str": "c", "accuracy_unit": "d"},
    ),
    "LearningStats.from_dict": lambda: (
        LearningStats.from_dict,
        {"state": LearningStats().to_dict()},
    ),
    "LearningStats.save": lambda: (LearningStats().save, {"path": folder()}),
    "Settings.from_dict": lambda: (
        settings_room.Settings.from_dict,
        {"values": SETTINGS.to_dict()},
    ),
    "Settings": lambda: (
        settings_room.Settings,
        SETTINGS.to_dict() | {"hidden": (3,), "channels": (2,), "crossover_epochs": ()},
    ),
    "Dataset": lambda: (
        Dataset,
        {
            "images": np.zeros((2, 1, 2, 2), np.uint8),
            "labels": [0, 1],
            "name": "n",
            "classes": 3,
            "scale": 9.0,
        },
    ),
    "DataLoader": lambda: (
        DataLoader,
        {"dataset": dataset(), "batch_size": 2, "shuffle": False, "transform": None, "rng": rng()},
    ),
    "DataLoader.epoch": lambda: (DataLoader(dataset(), 2).epoch, {"start": 0}),
    "Compose": lambda: (Compose, {"transforms": [ToTensor()]}),
    "ToTensor": lambda: (ToTensor, {"scale": 1.0}),
    "ToTensor.call": lambda: (ToTensor(), {"batch": np.zeros((2, 1, 2, 2), np.uint8)}),
    "Normalize": lambda: (Normalize, {"mean": 0.5, "std": 0.5}),
    "RandomAffine": lambda: (
        RandomAffine,
        {"degrees": 5, "translate": (0.1, 0.1), "scale": (0.9, 1.1), "shear": 3, "fill": 0},
    ),
    "load_digits": lambda: (load_digits, {"train": True}),
    "load_mnist.root": lambda: (
        lambda root: load_mnist(root, download=False),
        {"root": "/nowhere"},
    ),
    "read_idx": lambda: (read_idx, {"path": saved("idx")}),
    "state.save": lambda: (
        state.save,
        {"network": network(), "path": folder() / "s", "notes": {"a": 1}},
    ),
    "state.read": lambda: (state.read, {"path": saved("state")}),
    "state.load": lambda: (state.load, {"network": network(), "path": saved("state")}),
    "netx.load": lambda: (
        netx.load,
        {"path": saved("net"), "time_steps": 4, "seed": 0, "strict": True},
    ),
    "exchange.read": lambda: (exchange.read, {"path": saved("net"), "strict": True}),
    "Event": lambda: (
        event.Event,
        {"x_event": [0], "y_event": [0], "c_event": [0], "t_event": [1.0], "payload": [2.0]},
    ),
    "Event.to_tensor": lambda: (a_few().to_tensor, {"sampling_time": 1.0, "dim": (2, 2, 3)}),
    "Event.fill_tensor": lambda: (
        a_few().fill_tensor,
        {"empty_tensor": np.zeros((2, 1, 2, 3)), "sampling_time": 1.0, "binning_mode": "OR"},
    ),
    "tensor_to_event": lambda: (
        event.tensor_to_event,
        {"spike_tensor": ones(1, 2, 3), "sampling_time": 1.0},
    ),
    "build": lambda: (build, {"settings": SETTINGS, "rng": rng()}),
    "loaders": lambda: (
        loaders,
        {"settings": SETTINGS, "rng": rng(), "root": None, "download": False},
    ),
    "evaluation_loader": lambda: (
        evaluation_loader,
        {"settings": SETTINGS, "root": None, "download": False},
    ),
    "Run": lambda: (
        Run,
        {"settings": SETTINGS, "folder": folder(), "root": None, "download": False}
        | {"resume": False, "overwrite": False, "checkpoint_steps": 0, "on_trouble": "stop"},
    ),
    "resumed_settings": lambda: (resumed_settings, {"folder": folder(), "given": {"epochs": 3}}),
    "train_step": lambda: (
        step.train_step,
        {
            "network": network(),
            "optimizer": Idle(),
            "x": ones(2, 3),
            "labels": [0, 1],
            "mode": SNN,
            "stat": stat(),
            "guard": None,
        },
    ),
    "train_epoch": lambda: (
        step.train_epoch,
        {
            "network": network(),
            "optimizer": Idle(),
            "batches": BATCHES,
            "scheduler": Scheduler(),
            "epoch": 0,
            "stat": stat(),
        }
        | {"after": lambda iteration, mode: None, "guard": None, "start": 0},
    ),
    "evaluate": lambda: (
        step.evaluate,
        {"network": network(), "batches": BATCHES, "mode": SNN, "stat": stat()},
    ),
    "SpikeRate": lambda: (
        loss.SpikeRate,
        {"true_rate": 0.5, "false_rate": 0.1, "reduction": "sum"},
    ),
    "SpikeRate.call": lambda: (
        loss.SpikeRate(0.5, 0.1),
        {"spikes": ones(2, 3, 4), "labels": [0, 1]},
    ),
    "SpikeMax": lambda: (loss.SpikeMax, {"mode": "softmax", "reduction": "sum"}),
    "SpikeMax.call": lambda: (loss.SpikeMax(), {"spikes": ones(2, 3, 4), "labels": [0, 1]}),
    "Rate.call": lambda: (classifier.Rate(), {"spikes": ones(2, 3, 4)}),
    "synapse.Conv": lambda: (
        synapse.Conv,
        {"in_features": 2, "out_features": 2, **WINDOW, "groups": 1, **WEIGHT, "rng": rng()},
    ),
    "synapse.Pool": lambda: (synapse.Pool, {**WINDOW, "weight_scale": 1.0, "pre_hook_fx": None}),
    "exchange.write": lambda: (exchange.write, {"path": folder() / "net", "net": network().spec()}),
    "exchange.is_net": lambda: (exchange.is_net, {"path": saved("net")}),
    "netx.build": lambda: (netx.build, {"net": network().spec(), "time_steps": 4, "seed": 0}),
    "netx.simulate": lambda: (
        netx.simulate,
        {"net": network().spec(), "x": ones(2, 3), "time_steps": 4, "delay": True},
    ),
    "netx.decide": lambda: (
        netx.decide,
        {"net": network().spec(), "x": ones(2, 3), "time_steps": 4},
    ),
    "preset": lambda: (settings_room.preset, {"data": "digits", "network": "conv"}),
    "Guard": lambda: (Guard, {"action": "warn"}),
    "alif.Neuron": lambda: (
        alif.Neuron,
        {**PARAMS, "threshold_step": 0.25, "threshold_decay": 0.1, "refractory_decay": 0.5},
    ),
    "integrate_fire.Neuron": lambda: (integrate_fire.Neuron, {"threshold": 1.25}),
}
