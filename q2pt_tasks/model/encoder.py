"""Which encoder reads the queries: a pre-trained one by name or path, or a small one trained from scratch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import Section, read_section

SCRATCH = "scratch"
# Beside the encoder's own files, and instead of them for `scratch`.
NOTE = "resolved.json"


class EncoderNotResolvedError(ValueError):
    """The encoder at hand is not the one that the params name."""


class ScratchParams(Section):
    """Sizes of the encoder and of the tokenizer that are trained from nothing but the training queries."""

    layers: Annotated[int, Field(ge=1, le=12)]
    width: Annotated[int, Field(ge=16, le=1024, multiple_of=4)]
    heads: Annotated[int, Field(ge=1, le=16)]
    unified_vocabulary: Annotated[int, Field(ge=100, le=200_000)]
    non_unified_vocabulary: Annotated[int, Field(ge=100, le=200_000)]


class HeadParams(Section):
    """Hidden layers between the encoder and the scores."""

    layers: Annotated[int, Field(ge=0, le=4)]
    width: Annotated[int, Field(ge=8, le=4096)]
    activation: Literal["relu", "gelu", "tanh"]


class EncoderParams(Section):
    """The section `encoder`."""

    name: Annotated[str, Field(min_length=1)]
    revision: Annotated[str, Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=4, le=512)]
    keep_layers: Annotated[int, Field(ge=1)] | None = None
    head: HeadParams | None = None
    scratch: ScratchParams

    @property
    def is_scratch(self) -> bool:
        return self.name == SCRATCH

    @property
    def is_path(self) -> bool:
        """Whether the name is a directory and not a model of a hub."""
        return self.name.startswith((".", "/", "~")) or Path(self.name).is_dir()


@dataclass(frozen=True)
class ResolvedEncoder:
    """An encoder as it was resolved: name and revision of the params then, and its commit where a hub has it."""

    name: str
    revision: str
    commit: str | None


def read_encoder(layout: Layout) -> EncoderParams:
    """The section `encoder`, its revision the commit of what lies in `data/encoder/`, whatever its branch says by now.

    Raises:
        EncoderNotResolvedError: another encoder lies there, or none.
    """
    params = read_section(layout.params, "encoder", EncoderParams)
    note = layout.encoder / NOTE
    try:
        held = TypeAdapter(ResolvedEncoder).validate_json(note.read_bytes())
    except FileNotFoundError:
        raise EncoderNotResolvedError(f"{note} not found: run the stage encoder (`dvc repro encoder`)") from None
    check_resolved(params, held, f"{layout.encoder} holds", "run the stage encoder again (`dvc repro encoder`)")
    return params.model_copy(update={"revision": held.commit}) if held.commit else params


def check_resolved(params: EncoderParams, resolved: ResolvedEncoder, found: str, remedy: str) -> None:
    """Checks that `resolved` is the encoder that `params` name; `found` says where it was seen, `remedy` what to do.

    Raises:
        EncoderNotResolvedError: it is another one.
    """
    if (resolved.name, resolved.revision) != (params.name, params.revision):
        raise EncoderNotResolvedError(
            f"encoder is {params.name!r} at {params.revision!r}, but {found} {resolved.name!r} at "
            f"{resolved.revision!r}: {remedy}"
        )
