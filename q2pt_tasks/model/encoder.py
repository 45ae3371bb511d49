"""Which encoder reads the queries: a pre-trained one by name or path, or a small one trained from scratch."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import Section, read_section

SCRATCH = "scratch"


class EncoderNotResolvedError(ValueError):
    """`data/encoder.json` does not speak of the encoder that the params name."""


class ScratchParams(Section):
    """Sizes of the encoder and of the tokenizer that are trained from nothing but the training queries."""

    layers: Annotated[int, Field(ge=1, le=12)]
    width: Annotated[int, Field(ge=16, le=1024, multiple_of=4)]
    heads: Annotated[int, Field(ge=1, le=16)]
    unified_vocabulary: Annotated[int, Field(ge=100, le=200_000)]
    non_unified_vocabulary: Annotated[int, Field(ge=100, le=200_000)]


class EncoderParams(Section):
    """The section `encoder`."""

    name: Annotated[str, Field(min_length=1)]
    revision: Annotated[str, Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=4, le=512)]
    scratch: ScratchParams

    @property
    def is_scratch(self) -> bool:
        return self.name == SCRATCH

    @property
    def is_path(self) -> bool:
        """Whether the name is a directory and not a model of a hub."""
        return self.name.startswith((".", "/", "~")) or Path(self.name).is_dir()


def read_encoder(layout: Layout) -> EncoderParams:
    """The section `encoder`, as it was resolved: a model of the hub at its commit, whatever its branch says by now.

    Raises:
        EncoderNotResolvedError: another encoder was resolved, or none.
    """
    params = read_section(layout.params, "encoder", EncoderParams)
    file = layout.encoder_manifest
    try:
        resolved = json.loads(file.read_text(encoding="utf-8"))
        name, revision, commit = resolved["name"], resolved["revision"], resolved["commit"]
    except FileNotFoundError:
        raise EncoderNotResolvedError(f"{file} not found: run `q2pt resolve`") from None
    except (ValueError, KeyError) as error:
        raise EncoderNotResolvedError(f"{file} does not say what was resolved ({error}): run `q2pt resolve`") from None
    if (name, revision) != (params.name, params.revision):
        raise EncoderNotResolvedError(
            f"encoder is {params.name!r} at {params.revision!r}, but {name!r} at {revision!r} was resolved: "
            "run `q2pt resolve` again"
        )
    return params.model_copy(update={"revision": commit}) if commit else params
