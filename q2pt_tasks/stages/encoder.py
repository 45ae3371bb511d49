"""`encoder`: the pre-trained encoder's files, byte for byte as resolved; who trains or evaluates reads them here."""

from dataclasses import dataclass

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import EncoderParams, check_resolved
from q2pt_tasks.params import read_section
from q2pt_tasks.sources.encoder_files import copy_encoder, find_encoder, read_encoder_manifest
from q2pt_tasks.sources.manifest import RESOLVE_AGAIN


@dataclass(frozen=True)
class EncoderReport:
    """The encoder, and number and bytes of its files."""

    name: str
    files: int
    size: int

    def __str__(self) -> str:
        return f"{self.name}, {self.files} files of {self.size / 2**20:.1f} MiB"


def main(layout: Layout) -> EncoderReport:
    return run(layout, read_section(layout.params, "encoder", EncoderParams))


def run(layout: Layout, params: EncoderParams) -> EncoderReport:
    """Writes `data/encoder/`: config, safetensors and tokenizer, and a note which encoder it is.

    For `scratch` there is the note alone.

    Raises:
        EncoderNotResolvedError: another encoder was resolved, or none.
        SourceError: it is not there any more as it was resolved, or has no weights as safetensors.
    """
    manifest = read_encoder_manifest(layout.encoder_manifest)
    check_resolved(params, manifest.resolved, f"{layout.encoder_manifest} names", RESOLVE_AGAIN)
    files = find_encoder(manifest, layout.root)
    copy_encoder(files, manifest.resolved, layout.encoder)
    return EncoderReport(manifest.name, len(files), sum(file.stat().st_size for file in files))
