"""``python -m export.mouth``: makes the network that hears mouth shapes, and measures it."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from export.artifact import ExportOptions
from export.graph_file import GraphFile
from export.install import OWN_REPOSITORY, VERSION, install
from export.mouth import real_speech
from export.mouth.artifact import MouthArtifact, Trained
from export.mouth.corpus import Recipe, calibration_speech, evaluation_speech, load, make, weighted
from export.mouth.evaluate import Network, scores_of, table, torch_network
from export.mouth.streams import stream_of
from export.mouth.thresholds import best_limits
from export.mouth.training import Schedule, load_training, save_training, train
from export.mouth.utterance import Utterance, seed_of
from lumen.contracts import MOUTH

app = typer.Typer(no_args_is_help=True, help=__doc__)

CORPUS = Path(".lumen/mouth")
"""The folder that keeps recordings between runs."""

TRAINED = "network.pt"
"""The last training's network, in the corpus."""


def report(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@app.command()
def build(
    corpus: Annotated[Path, typer.Option(help="Where recordings are kept between runs.")] = CORPUS,
    repository: Annotated[Path, typer.Option(help="The model repository to write into.")] = OWN_REPOSITORY,
    kokoro: Annotated[int, typer.Option(help="Minutes of blended natural voices.")] = Recipe.kokoro,
    steps: Annotated[int, typer.Option(help="Batches of the training.")] = Schedule.steps,
    threads: Annotated[int, typer.Option(help="Threads of the training.")] = 1,
) -> None:
    """Record the voices, train, measure, export and verify the network."""
    torch.set_num_threads(threads)
    recipe, schedule = replace(Recipe(), kokoro=kokoro), replace(Schedule(), steps=steps)
    paths = make(recipe, corpus, report)
    report(f"{len(paths)} minutes of sound; training {steps} steps")
    streams = {path: stream_of(load(path), np.random.default_rng(seed_of(path.stem))) for path in paths}
    network = train([streams[path] for path in weighted(paths)], schedule, report)
    save_training(corpus / TRAINED, network, recipe, schedule)
    export(corpus, repository)


@app.command()
def export(
    corpus: Annotated[Path, typer.Option(help="Where the training left its network.")] = CORPUS,
    repository: Annotated[Path, typer.Option(help="The model repository to write into.")] = OWN_REPOSITORY,
) -> None:
    """Measure, export and verify the network of the last training."""
    network, recipe, schedule = load_training(corpus / TRAINED)
    scores = scores_of(evaluation_speech(corpus), torch_network(network))
    found = install(MouthArtifact(), Trained(network, recipe, schedule, scores), repository, ExportOptions())
    report("\n".join(table(scores)))
    report(f"{repository / MOUTH / VERSION} is there; largest difference {found.worst.largest:.1e}")


@app.command()
def thresholds(
    corpus: Annotated[Path, typer.Option(help="Where the training left its network.")] = CORPUS,
) -> None:
    """Find the limits that suit the last training's network on unheard sentences of its own voices."""
    network, _, _ = load_training(corpus / TRAINED)
    report(f"LIMITS of export/mouth/network.py: {best_limits(network, calibration_speech(corpus), report)}")


@app.command()
def evaluate(
    corpus: Annotated[Path, typer.Option(help="Where recordings are kept between runs.")] = CORPUS,
    repository: Annotated[Path, typer.Option(help="The model repository with the network.")] = OWN_REPOSITORY,
) -> None:
    """Measure the committed network and the level rule on voices that the training never heard."""
    report("\n".join(table(scores_of(evaluation_speech(corpus), _served(repository)))))


@app.command()
def real(
    folder: Annotated[Path, typer.Argument(help="NAME.wav beside NAME.txt, English, a sentence each.")],
    repository: Annotated[Path, typer.Option(help="The model repository with the network.")] = OWN_REPOSITORY,
) -> None:
    """Measure on real recordings whose phonemes pocketsphinx aligns."""
    _measure_real(real_speech.recordings(folder), repository)


@app.command()
def announcements(
    root: Annotated[
        Path, typer.Argument(help="Where Debian's asterisk-core-sounds-en and -g722 are unpacked.")
    ],
    repository: Annotated[Path, typer.Option(help="The model repository with the network.")] = OWN_REPOSITORY,
) -> None:
    """Measure on a person's announcements whose phonemes pocketsphinx aligns."""
    _measure_real(real_speech.announcements(root), repository)


def _measure_real(utterances: list[Utterance], repository: Path) -> None:
    report(f"{len(utterances)} sentences aligned")
    report("\n".join(table(scores_of({"real": utterances}, _served(repository)))))


def _served(repository: Path) -> Network:
    graph = GraphFile(repository / MOUTH / VERSION)
    return lambda features: graph.run({"features": features})


if __name__ == "__main__":
    app()
