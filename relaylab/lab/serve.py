"""Serves the workbench as a page with Voila, on localhost; its template asks no other host."""

import contextlib
import errno
import logging
import signal
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

from relaylab.errors import ResourceError

_TEMPLATES = Path(__file__).parent / "page"
_EXTENSIONS = [
    "anywidget",
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
]
_UNUSED_KERNEL_S = 300
_STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class _PageClosed(VoilaShutdownKernelHandler):
    """Ends the kernel of a page that was closed.

    A page that is going away cannot send the token that Voila's own handler asks for. All that can
    be had with this is the end of a kernel whose random identity one knows.
    """

    def check_xsrf_cookie(self) -> None:
        """Nothing to check."""


class _Page(Voila):
    """Voila with our template, a port that is certain, and an end that leaves nothing behind."""

    def __init__(self, wanted_port: int, ready: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._wanted_port = wanted_port
        self._ready = ready

    def setup_template_dirs(self) -> None:
        super().setup_template_dirs()
        self.template_paths.insert(0, str(_TEMPLATES))

    def init_handlers(self) -> list[Any]:
        handlers = super().init_handlers()
        return [
            (handler[0], _PageClosed, *handler[2:])
            if handler[1] is VoilaShutdownKernelHandler
            else handler
            for handler in handlers
        ]

    def listen(self) -> None:
        try:
            sockets = tornado.netutil.bind_sockets(self._wanted_port, "localhost")
        except OSError as error:
            self._clear_away()
            raise ResourceError(
                "port on localhost",
                passed=self._wanted_port,
                allowed="a free port that this user may use",
                errno=error.errno or errno.EADDRINUSE,
                hint="Leave --port out to get a free one.",
            ) from error
        self.port = sockets[0].getsockname()[1]
        tornado.httpserver.HTTPServer(self.app).add_sockets(sockets)
        self.ioloop = tornado.ioloop.IOLoop.current()
        for number in _STOPPING:
            signal.signal(number, self._handle_signal_stop)
        self.ioloop.add_callback(self._ready, f"http://localhost:{self.port}/")
        try:
            self.ioloop.start()
        finally:
            self._clear_away()

    def _clear_away(self) -> None:
        """End all kernels at once: nobody looks any more, so there is nothing to wait for."""
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(KeyboardInterrupt):
            self.ioloop = tornado.ioloop.IOLoop.current()
            self.ioloop.run_sync(lambda: self.kernel_manager.shutdown_all(now=True))
        for file in Path(self.connection_dir).glob("*"):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            Path(self.connection_dir).rmdir()


def serve(
    notebook: Path, port: int | None, open_browser: bool, told: Callable[[str], None]
) -> None:
    """Serve a notebook as a page until SIGINT or SIGTERM.

    Parameters
    ----------
    notebook : Path
        The notebook; each page that is opened runs it in a kernel of its own.
    port : int, optional
        Port on localhost; None: a free one.
    open_browser : bool
        Open the page in the browser once it is served.
    told : callable
        Gets the address once it is served.

    Raises
    ------
    ResourceError
        The port is taken or not allowed.
    """

    def ready(address: str) -> None:
        told(address)
        if open_browser:
            webbrowser.open(address)

    config = Config()
    config.VoilaConfiguration.extension_allowlist = _EXTENSIONS
    config.VoilaConfiguration.template = "lab"
    config.VoilaConfiguration.show_tracebacks = True
    # Between this machine and itself no proxy needs to be kept awake, and a busy page that answers
    # a ping too late must not lose its connection.
    config.Voila.tornado_settings = {"ws_ping_interval": 0}
    config.KernelManager.transport_encryption = "auto"
    config.MappingKernelManager.cull_idle_timeout = _UNUSED_KERNEL_S
    config.MappingKernelManager.cull_interval = 60
    page = _Page(port or 0, ready, config=config, log_level=logging.ERROR)
    page.initialize([str(notebook)])
    page.start()
