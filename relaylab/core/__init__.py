"""The engine: numbers and addresses in and out, compiled by Numba, readable as plain Python.

One buffer a CPU, cut into n sub-buffers of `size` bytes::

                        data pointer + offset: the next event goes here
                                      |
         sub-buffer 0        1        v        2              3
        +--------------+--------------+--------------+--------------+
        |R######## ////|R######       |R##########///|R########/////|    R  reserved by subbuf_start
        +--------------+--------------+--------------+--------------+    #  events
         ready           being written   read already   read already     /  padding: no event fitted

    produced = 5 (the one being written is produced mod n), consumed = 4

An event that does not fit causes a **switch**: the rest of the sub-buffer becomes its padding, it
is delivered if all of it is committed, `produced` goes up by one, a sleeping reader is woken. If
`produced - consumed` is n now, the buffer is **full**: nothing is written until a reader consumes
something, which sets **unfull**; the first switch after that opens the next sub-buffer, and its
event is lost too. In overwrite mode the buffer is never full.

Where to look:

* `layout` what lies where in memory, `memory` who owns it
* `ring` the state machine: write, reserve, switch, commit, restart; `losses` what it counts
* `readers` consumed, full, wake-ups; `locks` who waits for whom
* `clients` how callbacks are called; `journal` what is told about transitions
* `operations` all of this by handle, protected; `run` loops of live writers and readers
* `prepare` the operations compiled for Python, `fastcall` the one that Python calls most; `jit` how
  compiled code is kept
* `lowering`, `addresses`, `atomics`, `calls`, `system` what the compiler emits for a few functions
"""
