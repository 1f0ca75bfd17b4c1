"""The resident network of a study: loaded with the round's weights, trained, and read out as a change of them."""

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
    """The resident network of a study, with its trainer and the global weights of the round."""

    def __init__(self, study: Study, wanted: str, task: Task, bank: SiteDataset) -> None:
        trial = local_training.trial_step(task, bank, study, lambda: networks.build(study))
        self.compute = device.choose(wanted, study.training.precision, trial)
        built = networks.build(study)
        self.layout: Layout = networks.layout(built)
        self.trainer = Trainer(
            self.compute.place(built, study.data.dimensions), study, self.compute
        )

    def load(self, plan: Question) -> Vector:
        """Put a plan's weights into the network and return them.

        Raises:
            WireError: they are for another network.
        """
        model = plan.model
        if model is None or model.size != self.layout.size or plan.layout != self.layout.digest:
            found = "none" if model is None else model.size
            text = f"The message's model has {found} weights of another layout; the study's network has {self.layout.size}."
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
