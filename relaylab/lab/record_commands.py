"""The session's commands that hand out what was recorded."""

import time
from typing import TYPE_CHECKING, Any

from relaylab import units
from relaylab.errors import ConfigError, RelayError
from relaylab.lab import exports
from relaylab.lab.caption import Caption
from relaylab.lab.compose import Composer

if TYPE_CHECKING:
    from relaylab.lab.record import Record


class RecordCommands:
    """What a session does with records and files; the rest of it is `session.Session`."""

    _run: Any | None
    _caption: Caption
    _composer: Composer
    _send: Any

    def record(self) -> "Record":
        """The run on screen up to now; on the session's thread.

        Raises
        ------
        RelayError
            There is none.
        """
        from relaylab.lab.record import Record  # pandas is loaded when it is needed

        run = self._run
        if run is None or (run.is_virtual and run.is_over):
            raise RelayError("no channel is open", hint="Press Open first.")
        record = Record.of(run, self._composer.origin_ns)
        self._composer.want_all()  # the samples that were taken for it reach the page all the same
        return record

    def _do_record(self) -> "Record":
        return self.record()

    def _do_export(self, view: str, name: str) -> None:
        """Make a file and send it to the view that asked for it."""
        export = exports.find(name)
        if export is None:
            raise ConfigError("file", passed=name, allowed="one of the menu")
        content = export.make(self)
        file = {"kind": "file", "view": view, "name": f"relaylab-{name}", "type": export.media_type}
        self._send(file, [content])
        size = units.format_bytes(len(content))
        self._caption.say(f"relaylab-{name}, {size}, goes to your downloads.", time.monotonic())
