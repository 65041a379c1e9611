"""What is installed and what it needs. Versions that are known to work together stand in constraints.txt."""

from setuptools import setup

setup(
    name="codegen-transformer",
    version="0.1.0",
    description="A hand-written encoder-decoder Transformer that learns to generate code from descriptions",
    license="MIT",
    python_requires=">=3.11",
    packages=[
        "model", "model.interop", "model.numpy_reference",
        "system",
        "data", "data.code", "data.corpora", "data.mining", "data.objectives", "data.shards", "data.tasks",
        "data.tokenizers",
        "training", "training.run", "training.strategies",
        "evaluation", "evaluation.programs", "evaluation.report",
        "teaching", "teaching.exercises", "teaching.exercises.topics", "teaching.the_math", "teaching.walkthrough",
        "teaching.worked_example",
        "experiments", "experiments.benchmarks", "experiments.laboratory", "experiments.record", "experiments.results",
        "experiments.speed", "experiments.studies", "experiments.suites",
    ],
    py_modules=["train", "eval"],
    package_dir={"": "."},  # named outright, so that `pip install -e .` puts this folder itself on the path
    install_requires=[
        "torch>=2.6",
        "numpy>=1.26",
        "sentencepiece>=0.2",
        "tqdm>=4.66",
        "matplotlib>=3.8",
        "tyro>=0.9",
        "dacite>=1.8",
        "sacrebleu>=2.4",
        "rouge-score>=0.1.2",
        "safetensors>=0.4.3",
        "scipy>=1.11",
        "filelock>=4",  # older ones follow a link, or delete the file of a lock that others wait for
        "datasketch>=2",
        "platformdirs>=4",
        "psutil>=5.9",
    ],
    extras_require={
        "test": [
            "pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", "ruff>=0.9", "import-linter>=2.1",
            "transformers>=5.23", "tokenizers>=0.22", "optuna>=4", "bashlex>=0.18", "tensorboard>=2.16",
        ],
        "bench": ["transformers>=5.23", "x-transformers>=2.0", "ctranslate2>=4.5"],
        "notebook": ["nbclient>=0.10", "nbformat>=5.10", "ipykernel>=6.29"],
        "pretrained": ["tokenizers>=0.22"],
        "search": ["optuna>=4"],
        "tracking": ["tensorboard>=2.16"],
        "bash": ["bashlex>=0.18"],
        "mutation": ["cosmic-ray>=8.4"],
    },
)
