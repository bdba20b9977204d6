# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus finds the same power for a VM on the host and inside the guest."""

from __future__ import annotations

import json
import subprocess
import time
import unittest
from urllib.parse import quote

from environment import environment
from lab import packages
from lab.image import AGENT_PORT
from lab.log import LabError

_PORT = 9090
_WINDOW_SECONDS = 30
_GRID_SECONDS = 1.0
_KEPT_SECONDS = 1.0  # an agent shows a reading again until it is that old
_QUANTUM_JOULES = 0.001


class PrometheusTest(unittest.TestCase):
    """Prometheus and promtool from Debian's package, against the agent on the host and in a guest."""

    def setUp(self) -> None:
        self.lab = environment()
        self.guest = self.lab.busy
        self.bin = packages.fetch("prometheus") / "usr/bin"
        self.lab.stack.start_agent(["prometheus", "--listen", f"127.0.0.1:{AGENT_PORT}"], AGENT_PORT)
        self.addCleanup(self.lab.stack.stop, "vpowercap-agent")

    def test_promtool_finds_the_metrics_clean(self) -> None:
        for place, text in (("host", self.lab.host.http_get(AGENT_PORT, "/metrics")),
                            ("guest", self.guest.agent_metrics())):
            with self.subTest(place):
                self.assertIn("vpowercap_zone" if place == "guest" else "vpowercap_vm_joules_total",
                              text)
                result = subprocess.run([self.bin / "promtool", "check", "metrics"], input=text,
                                        text=True, capture_output=True, check=False)
                self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_rates_on_the_host_and_in_the_guest_agree(self) -> None:
        self.start_prometheus()
        uuid = self.guest.spec.uuid
        time.sleep(_WINDOW_SECONDS + 5)
        now = time.time()
        host = self.query(f'sum(rate(vpowercap_vm_joules_total{{job="host",domain="package",'
                          f'uuid="{uuid}"}}[{_WINDOW_SECONDS}s]))', now)
        guest = self.query('sum(rate(vpowercap_zone_joules_total{job="guest",domain="package"}'
                           f'[{_WINDOW_SECONDS}s]))', now)
        self.assertGreater(host, 1.0)
        # Each reading may lag by one grid step, one quantum and the agent's second, at either end of the window.
        bound = 2 * (host * (_GRID_SECONDS + _KEPT_SECONDS) + _QUANTUM_JOULES) / _WINDOW_SECONDS
        self.assertAlmostEqual(host, guest, delta=bound)

    def start_prometheus(self) -> None:
        """Scrapes both agents every second, until the test ends."""
        self.lab.host.path("/run/prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {"job_name": "host", "static_configs": [{"targets": [f"127.0.0.1:{AGENT_PORT}"]}]},
                {"job_name": "guest",
                 "static_configs": [{"targets": [f"127.0.0.1:{self.guest.spec.port + 1}"]}]},
            ]}))
        prometheus = self.lab.host.popen(
            [self.bin / "prometheus", "--config.file=/run/prometheus.yml",
             "--storage.tsdb.path=/run/prometheus", f"--web.listen-address=127.0.0.1:{_PORT}"],
            **self.lab.host.log_to("prometheus"))
        self.addCleanup(prometheus.wait)
        self.addCleanup(prometheus.terminate)

    def query(self, expression: str, when: float) -> float:
        """The value of an expression that gives one number. Errors: LabError."""
        answer = json.loads(self.lab.host.http_get(
            _PORT, f"/api/v1/query?time={when}&query={quote(expression)}"))
        series = answer["data"]["result"]
        if len(series) != 1:
            log = self.lab.host.log_text("prometheus")[-800:]
            raise LabError(f"{expression} gives {len(series)} series; prometheus says: {log}")
        return float(series[0]["value"][1])


if __name__ == "__main__":
    unittest.main()
