"""The daemon's figures in the text format of Prometheus, collected when somebody asks. It holds none of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dialerd.engine.status import EngineStatus
from dialerd.engine.tally import Tally
from dialerd.engine.webhooks import OutboxStatus
from dialerd.ports import MediaWorker, MediaWorkerState


class Pulse:
    """How late the event loop is: what wakes every second anyway notes here by how much it was late."""

    def __init__(self) -> None:
        self.lag = 0.0
        """Seconds, at the last look."""
        self.most = 0.0
        """Since the start."""

    def beat(self, late: float) -> None:
        """A wake-up came this many seconds late."""
        self.lag = max(0.0, late)
        self.most = max(self.most, self.lag)


def exposition(
    status: EngineStatus,
    tally: Tally,
    pulse: Pulse,
    streams: int,
    version: str,
    outbox: OutboxStatus | None = None,
    deleted: Mapping[str, int] | None = None,
    workers: Sequence[MediaWorker] = (),
) -> bytes:
    """All figures, as text; `outbox` None: it cannot be read. `deleted`: rows of what, since the start."""
    registry = CollectorRegistry()
    registry.register(_Collected(status, tally, pulse, streams, version, outbox, deleted or {}, workers))
    return generate_latest(registry)


class _Collected:
    def __init__(
        self,
        status: EngineStatus,
        tally: Tally,
        pulse: Pulse,
        streams: int,
        version: str,
        outbox: OutboxStatus | None,
        deleted: Mapping[str, int],
        workers: Sequence[MediaWorker],
    ) -> None:
        self._workers = workers
        self._deleted = deleted
        self._outbox = outbox
        self._status = status
        self._tally = tally
        self._pulse = pulse
        self._streams = streams
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        yield from self._daemon()
        yield from self._calls()
        yield from self._media()
        yield from self._trunks()
        yield from self._webhooks()

    def _daemon(self) -> Iterator[Metric]:
        status = self._status
        about = GaugeMetricFamily("dialerd_info", "The version that runs.", labels=["version"])
        about.add_metric([self._version], 1)
        yield about
        yield GaugeMetricFamily("dialerd_dialing", "1 if calls can be placed.", value=int(status.dialing))
        parts = GaugeMetricFamily("dialerd_up", "1 if a dependency is in order.", labels=["part"])
        parts.add_metric(["asterisk"], int(status.asterisk == "connected"))
        parts.add_metric(["manager"], int(status.manager == "connected"))
        parts.add_metric(["store"], int(status.store == "ok"))
        parts.add_metric(["media"], int(status.media_sessions > 0))
        yield parts
        lag = "Seconds by which the event loop was late, at the last look."
        yield GaugeMetricFamily("dialerd_loop_lag_seconds", lag, value=self._pulse.lag)
        most = "The most of it since the start."
        yield GaugeMetricFamily("dialerd_loop_lag_most_seconds", most, value=self._pulse.most)
        yield GaugeMetricFamily("dialerd_event_streams", "Open event streams.", value=self._streams)
        entries = "Entries of the do-not-call list."
        yield GaugeMetricFamily("dialerd_dnc_entries", entries, value=status.dnc_entries)
        deleted = CounterMetricFamily(
            "dialerd_rows_deleted", "Rows deleted or erased, by what they were part of.", labels=["part"]
        )
        for part, rows in sorted(self._deleted.items()):
            deleted.add_metric([part], rows)
        yield deleted

    def _calls(self) -> Iterator[Metric]:
        status, tally = self._status, self._tally
        yield GaugeMetricFamily("dialerd_live_calls", "Calls that are open now.", value=status.live_calls)
        sessions = "Calls that voice agents can hold at once."
        yield GaugeMetricFamily("dialerd_agent_sessions", sessions, value=status.media_sessions)
        ended = CounterMetricFamily(
            "dialerd_calls_ended", "Attempts that have ended.", labels=["disposition", "reason"]
        )
        for (disposition, reason), count in sorted(tally.ended.items()):
            ended.add_metric([disposition, reason], count)
        yield ended
        yield CounterMetricFamily("dialerd_calls_answered", "Calls that were answered.", value=tally.answered)
        suppressed = "Contacts taken out of queues for the do-not-call list."
        yield CounterMetricFamily("dialerd_contacts_suppressed", suppressed, value=tally.suppressed)
        drift = "Differences between the books and Asterisk that audits have healed."
        yield CounterMetricFamily("dialerd_slot_drift", drift, value=status.slot_drift)
        refusals = CounterMetricFamily(
            "dialerd_gate_refusals",
            "Times that a rule of the gate stood in the way of a call.",
            labels=["rule"],
        )
        for rule, count in sorted(status.refusals.items()):
            refusals.add_metric([rule], count)
        yield refusals

    def _media(self) -> Iterator[Metric]:
        label = ["worker"]
        ready = GaugeMetricFamily(
            "dialerd_media_worker_ready", "1 if the media worker is given calls.", labels=label
        )
        held = GaugeMetricFamily("dialerd_media_worker_sessions", "Calls that it holds.", labels=label)
        limit = GaugeMetricFamily(
            "dialerd_media_worker_sessions_limit", "Calls that it may hold.", labels=label
        )
        lag = GaugeMetricFamily(
            "dialerd_media_worker_loop_lag_seconds",
            "Seconds by which its event loop was late at most, of the last few.",
            labels=label,
        )
        for worker in self._workers:
            name = [str(worker.number)]
            ready.add_metric(name, int(worker.state is MediaWorkerState.READY))
            held.add_metric(name, worker.sessions)
            limit.add_metric(name, worker.limit)
            lag.add_metric(name, worker.lag)
        yield from (ready, held, limit, lag)

    def _trunks(self) -> Iterator[Metric]:
        label = ["trunk"]
        started = CounterMetricFamily(
            "dialerd_trunk_originates", "Originates that were committed.", labels=label
        )
        in_use = GaugeMetricFamily("dialerd_trunk_channels_in_use", "Channels that are taken.", labels=label)
        channels = GaugeMetricFamily("dialerd_trunk_channels", "Channels that may be taken.", labels=label)
        rate = GaugeMetricFamily(
            "dialerd_trunk_calls_per_second", "Calls a second that the trunk may start now.", labels=label
        )
        full = GaugeMetricFamily(
            "dialerd_trunk_calls_per_second_limit", "Calls a second that it may start at most.", labels=label
        )
        usable = GaugeMetricFamily(
            "dialerd_trunk_usable", "1 if it is neither paused nor down.", labels=label
        )
        for trunk in self._status.trunks:
            name = [str(trunk.name)]
            started.add_metric(name, self._status.started.get(trunk.name, 0))
            in_use.add_metric(name, trunk.channels_in_use)
            channels.add_metric(name, trunk.max_channels)
            rate.add_metric(name, trunk.rate)
            full.add_metric(name, trunk.calls_per_second)
            usable.add_metric(name, int(trunk.paused is None and trunk.down is None))
        yield from (started, in_use, channels, rate, full, usable)

    def _webhooks(self) -> Iterator[Metric]:
        outbox = self._outbox
        if outbox is None:
            return
        waiting = "Deliveries to webhooks that wait."
        yield GaugeMetricFamily("dialerd_webhook_deliveries_waiting", waiting, value=outbox.waiting)
        dead = "Deliveries to webhooks that were given up, and are kept."
        yield GaugeMetricFamily("dialerd_webhook_deliveries_dead", dead, value=outbox.dead)
        delivered = "Deliveries that a receiver has taken."
        yield CounterMetricFamily(
            "dialerd_webhook_deliveries_delivered", delivered, value=outbox.figures.delivered
        )
        failed = "Attempts to deliver that no receiver has taken."
        yield CounterMetricFamily("dialerd_webhook_attempts_failed", failed, value=outbox.figures.failed)
