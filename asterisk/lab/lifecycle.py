"""Bringing a lab up, looking at it, taking it down."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import ari
import confs
import plan
import ports
import provision
from errors import CONFLICT, LabError
from instance import Instance
from ports import Wanted
from provision import Installation
from record import Folder, Record


@dataclass(frozen=True)
class Request:
    """What `up` was asked for."""

    trunk: str | None
    spare: str | None
    asterisk: Path | None
    mirror: str | None
    wanted: Wanted
    timeout: float


def up(folder: Folder, request: Request) -> Record:
    """Bring the lab up; a running one is returned as it is, and a dead part of it is started again."""
    folder.make()
    with folder.locked():
        record = Record.load(folder)
        if record is not None:
            _refuse_differences(record, request)
        asterisk = _recorded(record) if record else provision.find(request.asterisk, request.mirror)
        deadline = time.monotonic() + request.timeout
        try:
            if record is None:
                slot, slot_fd = ports.claim_slot(folder.path)
                record = Record.fresh(
                    asterisk.version,
                    asterisk.origin,
                    request.trunk,
                    request.spare,
                    ports.choose(slot, request.wanted),
                )
                record.save(folder)
                _write_configuration(folder, record, asterisk)
            else:
                slot_fd = ports.rejoin_slot(record.ports.slot, folder.path)
            try:
                _start(folder, record, asterisk, slot_fd)
            finally:
                os.close(slot_fd)
            _wait_ready(folder, record, asterisk, deadline)
        except BaseException:
            _stop(folder)
            raise
        return record


def down(folder: Folder, purge: bool) -> dict[str, int]:
    """Stop what runs and forget the lab; logs and call records stay unless purged. Returns the pids stopped."""
    if not folder.has_lab():
        return {}
    with folder.locked():
        stopped = _stop(folder)
    if purge:
        folder.purge()
    return stopped


def console(folder: Folder, record: Record, name: str, command: str) -> str:
    """Run a command on the Asterisk console of `pbx` or `carrier`."""
    for instance in record.instances(folder):
        if instance.name == name:
            return instance.rx(_recorded(record), command)
    raise LabError(f"this lab has no {name}")


def running(folder: Folder, record: Record) -> bool:
    """Whether every part of the lab lives."""
    return all(instance.pid() is not None for instance in record.instances(folder))


def _refuse_differences(record: Record, request: Request) -> None:
    """A lab stays what it was brought up as."""
    wanted = request.wanted
    differences = [
        f"{name} {asked}, and it runs with {has}"
        for name, asked, has in (
            ("--ari-port", wanted.ari, record.ports.ari),
            ("--ami-port", wanted.ami, record.ports.ami),
            ("--sip-port", wanted.sip, record.ports.sip),
            ("--carrier-port", wanted.carrier, record.ports.carrier),
            ("--http-port", wanted.http, record.ports.http),
            ("--media-port", wanted.media, record.ports.media),
        )
        if asked is not None and asked != has
    ]
    if request.trunk != record.trunk:
        names = [trunk or "the lab's own carrier" for trunk in (request.trunk, record.trunk)]
        differences.insert(0, f"trunk {names[0]}, and it runs with {names[1]}")
    if request.spare != record.spare:
        names = [spare or "no spare trunk" for spare in (request.spare, record.spare)]
        differences.insert(0, f"{names[0]}, and it runs with {names[1]}")
    if differences:
        raise LabError(
            "this lab is up already, otherwise than asked: " + "; ".join(differences) + ". `lab down` first, "
            "or choose another --dir",
            CONFLICT,
        )


def _recorded(record: Record) -> Installation:
    """The Asterisk this lab was brought up with."""
    return provision.find(None if record.origin == "host" else Path(record.origin), None)


def _write_configuration(folder: Folder, record: Record, asterisk: Installation) -> None:
    for instance in record.instances(folder):
        instance.make_folders(asterisk)
        confs.render(instance.name, instance.folder / "etc", _values(folder, record, asterisk, instance))
        with sqlite3.connect(instance.cdr) as database:
            database.executescript((confs.SHARED / "dialerd-cdr.sql").read_text())
        database.close()


def _values(folder: Folder, record: Record, asterisk: Installation, instance: Instance) -> dict[str, object]:
    """What the placeholders of the templates stand for."""
    chosen = record.ports
    trunk = record.trunk or f"127.0.0.1:{chosen.carrier}"
    trunk_host = trunk.rpartition(":")[0]
    local = trunk_host in ("localhost", "127.0.0.1")
    rtp = chosen.pbx_rtp if instance.name == "pbx" else chosen.carrier_rtp
    return {
        "name": instance.name,
        "home": instance.folder,
        "run": instance.run,
        "modules": asterisk.modules,
        "shared": confs.SHARED,
        "entity_id": "02:" + ":".join(f"{byte:02x}" for byte in random.randbytes(5)),
        # A phone sends sound all the time; Asterisk does in silence only if told to.
        "transmit_silence": "yes" if instance.name == "carrier" else "no",
        "rtp_first": rtp[0],
        "rtp_last": rtp[1],
        "ari_port": chosen.ari,
        "ami_port": chosen.ami,
        "sip_port": chosen.sip,
        "sip_bind": f"{'127.0.0.1' if local else '0.0.0.0'}:{chosen.sip}",
        "carrier_port": chosen.carrier,
        "media_port": chosen.media,
        "second_media_port": chosen.second_media,
        "bare_media_port": chosen.bare_media,
        "trunk": trunk,
        "trunk_host": trunk_host,
        "spare": confs.spare_trunk(record.spare) if record.spare else "",
        "registration": confs.registration(trunk) if record.trunk is None else "",
        # A SIPp scenario would take OPTIONS for an unexpected call.
        "qualify_frequency": 0 if record.trunk else 10,
        "ari_password": record.ari_password,
        "ami_secret": record.ami_secret,
        "globals": plan.dialplan_globals(),
        "default": plan.DEFAULT.name,
    }


def _start(folder: Folder, record: Record, asterisk: Installation, slot_fd: int) -> None:
    for instance in record.instances(folder):
        if instance.pid() is None:
            instance.start(asterisk, slot_fd)


def _wait_ready(folder: Folder, record: Record, asterisk: Installation, deadline: float) -> None:
    """Fully booted, and the trunk known to be reachable when it is ours."""
    if record.trunk is None:
        carrier = folder.carrier
        carrier.wait(
            lambda: "fully booted" in carrier.rx(asterisk, "core waitfullybooted").lower(),
            deadline,
            "not fully booted",
        )
    client = ari.Client(record.ports.ari, record.ari_password)
    folder.pbx.wait(client.is_booted, deadline, "ARI does not answer")
    if record.trunk is None and not client.trunk_is_online():
        # Its first OPTIONS comes at a random moment of the interval; ask at once.
        folder.pbx.rx(asterisk, "pjsip qualify lab")
        folder.pbx.wait(client.trunk_is_online, deadline, "the carrier is not reachable")


def _stop(folder: Folder) -> dict[str, int]:
    stopped = {}
    for instance in (folder.pbx, folder.carrier):
        pid = instance.stop()
        if pid is not None:
            stopped[instance.name] = pid
    folder.remove_runtime()
    (folder.path / "lab.json").unlink(missing_ok=True)
    return stopped
