"""What a figure was measured on."""

import os
import platform
from pathlib import Path

import torch

from q2pt_tasks.model.precision import detect_hardware


def describe_machine() -> str:
    """Processor, cores, Python, torch and the precision that training chose."""
    return (
        f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, torch {torch.__version__}; "
        f"training in {detect_hardware()}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
