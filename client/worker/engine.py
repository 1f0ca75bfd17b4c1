"""The resident network of a study: loaded with a round's weights, read out as a change of them."""

from __future__ import annotations

import numpy as np

from client.dataset.loader import SiteDataset
from client.training import device, local_training
from client.training.local_training import Trainer
from common import networks
from common.errors import WireError
from common.protocol.envelopes import Question
from common.sentences.table import say
from common.study.study import Study
from common.tasks import Task
from common.update import Layout, Vector


class Engine:
    """The resident network of a study, with its trainer and the way it computes.

    Args:
        study: the study.
        preference: "auto", "cpu" or "cuda", as the hospital has it.
        task: the study's task, fitted to the hospital.
        dataset: the hospital's images, to measure ways to compute on.
    """

    def __init__(self, study: Study, preference: str, task: Task, dataset: SiteDataset) -> None:
        trial = local_training.trial_step(task, dataset, study, lambda: networks.build(study))
        self.compute = device.choose(preference, study.training.precision, trial)
        network = networks.build(study)
        self.layout: Layout = networks.layout(network)
        self.trainer = Trainer(
            self.compute.place(network, study.data.dimensions), study, self.compute
        )

    def load(self, question: Question) -> Vector:
        """Put a question's weights into the network and return them.

        Raises:
            WireError: they are for another network.
        """
        model = question.model
        if model is None or model.size != self.layout.size or question.layout != self.layout.digest:
            size = "none" if model is None else model.size
            text = (
                f"The message's model has {size} weights of another layout; "
                f"the study's network has {self.layout.size}."
            )
            raise WireError(text, say("message.layout", weights=self.layout.size))
        networks.unpack(self.trainer.network, model)
        for value in networks.counters(self.trainer.network).values():
            value.zero_()
        return model

    def counted(self) -> dict[str, int]:
        """What the network has counted since its weights were loaded."""
        return {name: int(value) for name, value in networks.counters(self.trainer.network).items()}

    def change(self, start: Vector) -> Vector:
        """Present weights minus ``start``."""
        delta = networks.pack(self.trainer.network)
        return np.subtract(delta, start, out=delta)
