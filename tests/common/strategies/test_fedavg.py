"""FedAvg: the global model moves by the mean, or a share of it."""

from __future__ import annotations

import numpy as np

from common.strategies import fedavg

MEAN = np.array([0.5, -1.0, 0.0], np.float32)


def test_fedavg_moves_by_the_mean() -> None:
    assert fedavg.step(fedavg.Options(), {}, MEAN.copy())[1].tolist() == MEAN.tolist()
    assert (
        fedavg.step(fedavg.Options(server_rate=0.5), {}, MEAN.copy())[1].tolist()
        == (MEAN / 2).tolist()
    )
