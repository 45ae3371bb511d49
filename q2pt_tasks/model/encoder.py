"""Which encoder reads the queries: a pre-trained one by name or path, or a small one trained from scratch."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from q2pt_tasks.params import Section

SCRATCH = "scratch"


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
