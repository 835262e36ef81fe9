"""Smoke test: every CUDA path of the commands once, at toy size, in chains that run at the same time."""

import shlex
import time
from pathlib import Path
from typing import Any

from bench import scenes, tiny
from bench.gpu_settings import PartSettings, SaveResult
from bench.launch import Job, ProcessResult, StartProcess, kill_all, start_interpreter

_TRAIN = (
    "train_fcn.py --benchmark camvid --root {camvid} --network {fcn8s} --backbone_weights none --crop_size {crop} "
    "--batch_size 4 --workers {workers} --accelerator {device} --curves none --saved {work}/saved"
)
_TEST = (
    "test_fcn.py --benchmark camvid --root {camvid} --accelerator {device} --output {work}/outputs/{chain} --split val "
    "--profile_images 2 --workers 1"
)
_TRAINED, _RANDOM = "--model_weights_path {work}/saved", "--model_weights_path {weights}"
_GRAPH = "--data_on device --cuda_graph true"
_PROFILE = "profile_fcn.py --size {size} --accelerator {device} --repeats 3 --seconds 0.3 --largest_batch 2"
CHAINS: dict[str, tuple[str, ...]] = {
    "compiled": (f"{_TRAIN} --cuda_graph false --epochs 2 --compile {{compile}} --name compiled",),
    "compiled, graph": (f"{_TRAIN} {_GRAPH} --epochs 2 --compile {{compile}} --name compiled-graph",),
    "predict, compiled": (f"{_TEST} {_RANDOM} --compile {{compile}}",),
    "profile, compiled": (f"{_PROFILE} --network {{fcn8s}} --compile {{compile}} --output {{work}}/compiled.json",),
    "profile": (f"{_PROFILE} --network {{fcn8s}} --precision {{precisions}} --output {{work}}/profile.json",),
    "profile U-Net": (f"{_PROFILE} --network {{unet}} --precision {{precisions}} --output {{work}}/unet.json",),
    "data on the device": (
        f"{_TRAIN} --data_on device --epochs 1 --name resident",
        f"{_TRAIN} --data_on device --epochs 3 --validate_every 2 --metrics_every 2 --name resident",
        f"{_TRAIN} --data_on workers --epochs 1 --name loaded",
        f"{_TRAIN} --data_on auto --class_uniform 0.5 --epochs 1 --name auto",
    ),
    "graph": (
        f"{_TRAIN} {_GRAPH} --ema 0.9 --metrics_every 3 --validate_every 2 --epochs 2 --name graph",
        f"{_TRAIN} {_GRAPH} --ema 0.9 --metrics_every 3 --validate_every 2 --epochs 3 --name graph",
        f"{_TRAIN} --data_on workers --cuda_graph true --epochs 2 --name graph-loaded",
    ),
    "graph, losses": tuple(
        f"{_TRAIN} {_GRAPH} --ema 0.99 --clip_norm 5 --loss {loss} --epochs 2 --name graph-{number}"
        for number, loss in enumerate(("cross_entropy+lovasz", "ohem", "dice"))
    ),
    "train, resume, predict": (
        f"{_TRAIN} --epochs 1 --name bf16",
        f"{_TRAIN} --epochs 2 --name bf16",
        f"{_TEST} {_TRAINED}/bf16/best.pth",
    ),
    "fp16, then bf16": (
        f"{_TRAIN} --epochs 1 --precision fp16 --name fp16",
        f"{_TRAIN} --epochs 2 --precision bf16 --name fp16",
    ),
    "bf16, then fp16": (
        f"{_TRAIN} --epochs 1 --precision bf16 --name turn",
        f"{_TRAIN} --epochs 2 --precision fp16 --name turn",
    ),
    "fp16 clipped": (f"{_TRAIN} --epochs 2 --precision fp16 --clip_norm 1 --name clip",),
    "all options": (
        f"{_TRAIN} --epochs 2 --ema 0.9 --class_uniform 0.5 --class_weights inverse_log --accumulate 2 --clip_norm 5 "
        "--cache {work}/cache --loss cross_entropy+lovasz --optimizer sgd --name all",
    ),
    "OHEM, focal": tuple(f"{_TRAIN} --epochs 1 --loss {loss} --name {loss}" for loss in ("ohem", "focal_over_void")),
    "dice, Lovasz": tuple(f"{_TRAIN} --epochs 1 --loss {loss} --name {loss}" for loss in ("dice", "lovasz")),
    "label smoothing": (f"{_TRAIN} --epochs 1 --label_smoothing 0.1 --name label-smoothing",),
    "other networks": tuple(
        f"{_TRAIN} --epochs 1 --network {{{name}}} --name {name}" for name in ("unet", "fcn16s_vgg16_bn", "fcn8s_paper")
    ),
    "original recipe": (f"{_TRAIN} --recipe original --epochs 1 --crop_size {{crop}} --batch_size 4 --name original",),
    "graph, fp16": (
        f"{_TRAIN} {_GRAPH} --precision fp16 --clip_norm 1 --epochs 2 --name graph-fp16",
        f"{_TRAIN} {_GRAPH} --precision fp16 --clip_norm 1 --epochs 3 --name graph-fp16",
    ),
    "graph, other options": (
        f"{_TRAIN} {_GRAPH} --accumulate 2 --epochs 2 --name graph-accumulate",
        f"{_TRAIN} {_GRAPH} --optimizer sgd --network {{unet}} --epochs 2 --name graph-sgd",
        f"{_TRAIN} --data_on device --cuda_graph false --ema 0.9 --epochs 1 --name no-graph",
    ),
    "predict, Triton": (f"{_TEST} {_RANDOM} --kernels {{triton}}",),
    "predict, torch": (f"{_TEST} {_RANDOM} --kernels torch",),
    "predict, bf16": (f"{_TEST} {_RANDOM} --kernels auto --precision bf16 --workers {{more_workers}}",),
    "predict, fp32": (f"{_TEST} {_RANDOM} --precision fp32",),
    "predict, tiles": (f"{_TEST} {_RANDOM} --memory_budget 300",),
    "predict, tiles by torch": (f"{_TEST} {_RANDOM} --memory_budget 300 --kernels torch --precision bf16",),
    "predict, test-time augmentation": (f"{_TEST} {_RANDOM} --scales 0.75,1,1.25 --flip",),
    "predict, sliding window": (f"{_TEST} {_RANDOM} --window 128",),
    "predict a folder": (f"{_TEST} {_RANDOM} --images {{camvid}}/CamVid/test",),
    "cityscapes": (
        "-m cityscapes.demo --root {work}/demo --train 4 --val 2 --test 2 --workers {workers}",
        "generate_gt.py --root {work}/demo --workers {workers}",
        "train_fcn.py --root {work}/demo --network {fcn8s} --backbone_weights none --crop_size {crop} --batch_size 4 "
        "--workers {workers} --accelerator {device} --curves none --saved {work}/saved --epochs 1 --name cityscapes",
        "test_fcn.py --root {work}/demo --accelerator {device} --output {work}/outputs/{chain} "
        "--workers 1 --model_weights_path {work}/saved/cityscapes/best.pth",
    ),
}
"""Name -> commands that depend on each other, in order; a chain ends with its first failure. Long chains come first."""
_COMMAND_SECONDS = 100.0
"""Time limit for one command."""
_ERROR_CHARACTERS = 1500
"""Characters of a failed command's error output that are saved."""
_FEW_THREADS = {"OMP_NUM_THREADS": "2"}
"""Environment variables that limit threads, because several chains share the cores."""


def run(settings: PartSettings, save_result: SaveResult) -> list[str]:
    """Run the chains, several at a time, and save the outcome of each command.

    Returns:
        Messages about what failed.
    """
    deadline = time.monotonic() + settings.seconds
    values = placeholders(settings)
    scenes.draw_camvid(settings.work / "toy", settings.sizes.toy)
    _write_weights(settings.work / "toy.pth", values["fcn8s"])
    waiting = [_Chain(name, values, _start(settings, name)) for name in settings.chains or CHAINS]
    running: list[_Chain] = []
    rows: list[dict[str, Any]] = []
    try:
        while (waiting or running) and time.monotonic() < deadline:
            while waiting and len(running) < settings.parallel:
                running.append(waiting.pop(0))
            for chain in list(running):
                if (row := chain.advance()) is not None:
                    rows.append(row)
                    save_result({"commands": rows})
                if chain.finished:
                    running.remove(chain)
            time.sleep(0.02)
        # Saved before the kill, because a process on a GPU may take long to end.
        not_ended = [chain.name for chain in [*running, *waiting]]
        save_result({"commands": rows, "not_ended": not_ended})
    finally:
        kill_all([chain.job for chain in running if chain.job is not None])
    failed = [f"{row['chain']}: {row['command']}: {_exit_text(row)}" for row in rows if row["code"] != 0]
    return [*failed, *(f"{name}: not started or not finished, because the time ran out" for name in not_ended)]


def table(result: dict[str, Any]) -> str:
    """The result as text to print: one line for each chain, then the failures."""
    lines = [
        f"  {name:<26} {len(those)} commands, {sum(row['seconds'] for row in those):6.1f} s"
        for name in dict.fromkeys(row["chain"] for row in result["commands"])
        if (those := [row for row in result["commands"] if row["chain"] == name])
    ]
    for row in result["commands"]:
        if row["code"] != 0:
            last = row["error"].strip().splitlines()[-1:] or [""]
            lines.append(f"  FAIL {row['chain']}: {_exit_text(row)}: {row['command'][-90:]}\n       {last[0][:150]}")
    return "\n".join([*lines, *(f"  not ended: {name}" for name in result.get("not_ended", ()))])


class _Chain:
    """Commands that run one after the other."""

    def __init__(self, name: str, values: dict[str, str], start: StartProcess) -> None:
        self.name, self._start, self._work = name, start, values["work"]
        values = {**values, "chain": "".join(letter for letter in name if letter.isalnum())}
        self._commands = iter([template.format_map(values) for template in CHAINS[name]])
        self._command = ""
        self.job: Job | None = None
        """The running command; None between commands."""
        self.finished = False

    def advance(self) -> dict[str, Any] | None:
        """Start the next command if none is running; return the row of a command that has ended, otherwise None."""
        if self.job is None:
            self._command = next(self._commands, "")
            self.finished = not self._command
            if not self.finished:
                self.job = Job(shlex.split(self._command), _COMMAND_SECONDS, _FEW_THREADS, self._start)
            return None
        ended = self.job.poll()
        if ended is None:
            return None
        self.job, self.finished = None, ended.code != 0
        return self._row(ended)

    def _row(self, ended: ProcessResult) -> dict[str, Any]:
        kept = 300 if ended.code == 0 else _ERROR_CHARACTERS
        return {
            "chain": self.name,
            "command": self._command.replace(self._work, "WORK"),
            "code": ended.code,
            "seconds": round(ended.seconds, 1),
            "error": ended.error[-kept:].replace(self._work, "WORK"),
        }


def _exit_text(row: dict[str, Any]) -> str:
    return "killed at its deadline" if row["code"] is None else f"code {row['code']}"


def _start(settings: PartSettings, name: str) -> StartProcess:
    """Function that starts a chain's commands: in a rehearsal one chain starts new interpreters, the others fork."""
    return start_interpreter if name == "fp16 clipped" else settings.start


def placeholders(settings: PartSettings) -> dict[str, str]:
    """Values of the placeholders in the commands, except {chain}."""
    here = settings.rehearse
    names = ("fcn8s", "unet", "fcn16s_vgg16_bn", "fcn8s_paper")
    height, width = settings.sizes.toy
    return {name: tiny.NAME if here else name for name in names} | {
        "camvid": str(settings.work / "toy"),
        "weights": str(settings.work / "toy.pth"),
        "work": str(settings.work),
        "device": settings.device,
        "crop": str(settings.sizes.toy_crop),
        "size": f"{height}x{width}",
        "precisions": "auto" if here else "auto,fp32,bf16",
        "workers": "1" if here else "2",
        "more_workers": "2" if here else "8",
        # A CPU takes minutes to compile, and has no Triton.
        "compile": "false" if here else "true",
        "triton": "torch" if here else "triton",
    }


def _write_weights(path: Path, network: str) -> None:
    """Write a checkpoint of random weights, so that predictions need not wait for a training."""
    import torch

    import catalogue
    from engine import checkpoints
    from engine.checkpoints import About

    torch.manual_seed(0)
    built = catalogue.network(network, scenes.CAMVID_CLASSES)
    about = About.untrained(network, scenes.CAMVID_CLASSES, "camvid")
    checkpoints.save(path, built.state_dict(), about)
