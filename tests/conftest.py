"""What all tests share: nothing outside the test's own folder is read or written, and torch keeps to one thread."""

import os

# Two test processes on two cores: more threads would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
