"""A hospital's images as a study reads them: opened once, and anew when a patient has withdrawn."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from client.dataset.loader import SiteDataset
from client.policy import withdrawals
from client.site import Site
from client.training import device
from common import networks
from common.study.study import Study
from common.tasks import Task


class SiteData:
    """The data of one hospital for one study.

    Args:
        site: the hospital.
        study: the study.
        scoring: a finished model is only scored, for which one patient is enough.
    """

    def __init__(self, site: Site, study: Study, scoring: bool = False) -> None:
        self._site = site
        self._study = study
        self._reading = (
            replace(study, data=replace(study.data, min_patients=1)) if scoring else study
        )
        self._opened: SiteDataset | None = None
        self._fitted: Task | None = None
        self._withdrawals = (0, 0)

    def close_if_withdrawn(self) -> bool:
        """Close the data if the list of withdrawn patients has changed; whether they were closed.

        Raises:
            PolicyError: the list is damaged.
        """
        if self._opened is None or withdrawals.version(self._site.state) == self._withdrawals:
            return False
        self._opened = None
        self._fitted = None
        return True

    @cached_property
    def general_task(self) -> Task:
        """The study's task, not fitted to any images."""
        return networks.task(self._study)

    @property
    def dataset(self) -> SiteDataset:
        """The images, without those of withdrawn patients.

        Raises:
            SiteError: they do not serve the study.
        """
        if self._opened is None:
            # Before the list itself: a change in between is then seen at the next question.
            version = withdrawals.version(self._site.state)
            opened = SiteDataset.open(
                self._site.folders,
                self._reading,
                self.general_task,
                self._site.log,
                is_withdrawn=withdrawals.reader(self._site.state),
            )
            self._opened = opened.to(device.device(self._site.device))
            self._withdrawals = version
        return self._opened

    @property
    def task(self) -> Task:
        """The study's task, fitted to the hospital's own training images."""
        dataset = self.dataset
        if self._fitted is None:
            self._fitted = self.general_task.for_site(dataset.samples("train"))
        return self._fitted

    @property
    def weight(self) -> float:
        """The hospital's weight in the average, by the study's rule."""
        rule = self._study.federation.weight
        if rule == "equal":
            return 1.0
        return float(self.dataset.counts["train_patients" if rule == "patients" else "train"])
