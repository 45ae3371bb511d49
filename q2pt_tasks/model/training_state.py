"""Where a training stands: all that its next step depends on, as one file and back.

What is drawn at random depends on a step's place alone, so no generator's state belongs to it.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from q2pt_tasks.model.adam import Adam
from q2pt_tasks.model.network import Network

_WEIGHTS, _BEST, _OPTIMIZER = "weights/", "best/", "optimizer/"


class UnsavableStateError(RuntimeError):
    """The format cannot hold this network's state."""


class UnreadableStateError(ValueError):
    """A file holds no state of this training."""


@dataclass(frozen=True)
class Epoch:
    """Mean loss per query, and micro average precision on validation."""

    number: int
    loss: float
    average_precision: float


@dataclass
class TrainingState:
    """A training under way.

    Attributes:
        network: what is trained.
        optimizer: with the moments of its parameters' gradients.
        epochs: those that are complete.
        best_weights: the network's after the best of them; empty before the first.
        step: steps done in the epoch that is not complete.
        loss: summed over the queries of these steps.
    """

    network: Network
    optimizer: Adam
    epochs: list[Epoch] = field(default_factory=list)
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    step: int = 0
    loss: float = 0.0

    def end_step(self, loss: float) -> None:
        self.step += 1
        self.loss += loss

    def end_epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        self.step, self.loss = 0, 0.0
        if best_epoch(self.epochs) is epoch:
            self.best_weights = {name: weight.detach().clone() for name, weight in self.network.state_dict().items()}

    def save(self, file: Path) -> None:
        """Writes the state.

        Raises:
            UnsavableStateError: tensors share their memory.
        """
        tensors = {
            **_prefixed(_WEIGHTS, self.network.state_dict()),
            **_prefixed(_BEST, self.best_weights),
            **_prefixed(_OPTIMIZER, self._moments()),
        }
        tensors = {name: part.contiguous() for name, part in tensors.items()}
        place = json.dumps({"epochs": [asdict(epoch) for epoch in self.epochs], "step": self.step, "loss": self.loss})
        try:
            save_file(tensors, file, {"place": place, "sha256": _digest(place, tensors)})
        except RuntimeError as error:
            raise UnsavableStateError(str(error)) from error

    def load(self, file: Path) -> None:
        """Goes on from where the state in `file` stands.

        Raises:
            UnreadableStateError: the file is damaged, or of another network.
        """
        try:
            with safe_open(file, framework="pt") as stored:
                said = stored.metadata()
                place = json.loads(said["place"])
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
            epochs = [Epoch(**epoch) for epoch in place["epochs"]]
            step, loss, digest = int(place["step"]), float(place["loss"]), said["sha256"]
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise UnreadableStateError(f"{type(error).__name__}: {error}") from error
        _check_digest(digest, _digest(said["place"], tensors))
        self._check_shapes(_with(_WEIGHTS, tensors))
        self.network.load_state_dict(_with(_WEIGHTS, tensors))
        self.best_weights = _with(_BEST, tensors)
        self._set_moments(_with(_OPTIMIZER, tensors))
        self.epochs, self.step, self.loss = epochs, step, loss

    def _check_shapes(self, weights: dict[str, torch.Tensor]) -> None:
        """Before anything is changed: half of another network's weights would be worse than none."""
        own, found = (
            {name: tuple(weight.shape) for name, weight in part.items()}
            for part in (self.network.state_dict(), weights)
        )
        if own != found:
            others = sorted(name for name in own.keys() | found.keys() if own.get(name) != found.get(name))
            raise UnreadableStateError(f"it is of another network: {', '.join(others[:3])} differ")

    def _moments(self) -> dict[str, torch.Tensor]:
        """The optimizer's figures by the names of parameters."""
        names = {parameter: name for name, parameter in self.network.named_parameters()}
        return {
            f"{names[parameter]}/{kind}": value
            for parameter in self.optimizer
            for kind, value in self.optimizer.moments_of(parameter).items()
        }

    def _set_moments(self, moments: dict[str, torch.Tensor]) -> None:
        by_name: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
        for path, value in moments.items():
            name, kind = path.rsplit("/", 1)
            by_name[name][kind] = value
        parameters = dict(self.network.named_parameters())
        for name, own in by_name.items():
            self.optimizer.set_moments(parameters[name], own)


def _digest(place: str, tensors: dict[str, torch.Tensor]) -> str:
    """Over all that a file holds: the format itself notices a file that was cut off, and no other damage."""
    digest = hashlib.sha256(place.encode())
    for name in sorted(tensors):
        part = tensors[name]
        digest.update(f"{name} {part.dtype} {tuple(part.shape)}".encode())
        digest.update(part.reshape(-1).view(torch.uint8).cpu().numpy().data)
    return digest.hexdigest()


def _check_digest(expected: str, found: str) -> None:
    if found != expected:
        raise UnreadableStateError(f"its content has the hash {found} and should have {expected}")


def best_epoch(epochs: list[Epoch]) -> Epoch:
    """The first epoch of the highest validation average precision."""
    return max(epochs, key=lambda epoch: (epoch.average_precision, -epoch.number))


def _prefixed(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def _with(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
