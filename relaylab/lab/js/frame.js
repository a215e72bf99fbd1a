/**
 * Reads one frame. The layout is described in frame.py, and only there.
 */

export const STATUSES = ["idle", "running", "paused", "closed", "disconnected", "error"];

export const TOTALS = [
  "written", "written_bytes", "lost_full", "lost_unfull", "lost_too_large", "lost_bytes",
  "overwritten_subbufs", "overwritten_unread_subbufs", "switches", "delivered", "wakeups", "high_water",
];

export const FULL = 1;
export const OVERWRITE = 2;
export const VIRTUAL = 4;
export const ATTACHED = 8;
/** Writers commit: what is used and not committed was only reserved. */
export const COMMITS = 16;

/** Set in a cell's state if a reader that only watches looks at it. */
export const WATCHED = 0x80;

export const UNFULL = 1;
export const CPU_FULL = 4;

/**
 * @typedef {object} Cpu
 * @property {number} produced
 * @property {number} consumed
 * @property {number} written
 * @property {number} lost
 * @property {number} offset
 * @property {number} dataIndex
 * @property {number} reading -1: none
 * @property {number} refcount
 * @property {number} highWater
 * @property {number} flags
 *
 * @typedef {object} JournalRecord
 * @property {number} tNs
 * @property {number} produced
 * @property {number} value
 * @property {number} subbuf
 * @property {number} cpu
 * @property {number} kind
 *
 * @typedef {object} Frame
 * @property {number} seq
 * @property {number} sentMs
 * @property {number} tS
 * @property {number} generation
 * @property {number} flags
 * @property {string} status
 * @property {number} nCpus
 * @property {number} nSubbufs
 * @property {number} subbufSize
 * @property {number} skipped
 * @property {Cpu[]} cpus
 * @property {Record<string, number>} totals
 * @property {Float64Array} samples
 * @property {number} nColumns
 * @property {JournalRecord[]} records
 * @property {Uint32Array} index
 * @property {Uint16Array} fill
 * @property {Uint16Array} padding
 * @property {Uint16Array} commit
 * @property {Uint8Array} state
 * @property {Record<string, any>} text
 * @property {Uint8Array} memory
 */

/**
 * @param {DataView} message
 * @returns {Frame}
 */
export function decodeFrame(message) {
  // Typed arrays want aligned memory, and the message may start anywhere in its buffer.
  const start = message.byteOffset;
  const bytes = message.buffer.slice(start, start + message.byteLength);
  const view = new DataView(bytes);
  if (view.getUint32(0, true) !== 0x31464c52) throw new Error("not a frame");
  const u4 = (/** @type {number} */ at) => view.getUint32(at, true);
  const [nCpus, nSubbufs, subbufSize, nSamples, nColumns, nRecords] = [36, 40, 44, 48, 52, 56].map(u4);
  const [nCells, textBytes, memoryBytes] = [64, 68, 72].map(u4);

  let at = 80;
  const section = (/** @type {number} */ size) => {
    const here = at;
    at += Math.ceil(size / 8) * 8;
    return here;
  };
  const cpusAt = section(56 * nCpus);
  const totalsAt = section(8 * TOTALS.length);
  const samplesAt = section(8 * nSamples * nColumns);
  const recordsAt = section(32 * nRecords);
  const indexAt = section(4 * nCells);
  const fillAt = section(2 * nCells);
  const paddingAt = section(2 * nCells);
  const commitAt = section(2 * nCells);
  const stateAt = section(nCells);
  const textAt = section(textBytes);
  const memoryAt = section(memoryBytes);

  /** @type {Record<string, number>} */
  const totals = {};
  TOTALS.forEach((name, i) => { totals[name] = int64(view, totalsAt + 8 * i); });
  return {
    seq: u4(4),
    sentMs: view.getFloat64(8, true),
    tS: view.getFloat64(16, true),
    generation: u4(24),
    flags: u4(28),
    status: STATUSES[u4(32)],
    nCpus, nSubbufs, subbufSize,
    skipped: u4(60),
    cpus: Array.from({ length: nCpus }, (_, i) => readCpu(view, cpusAt + 56 * i)),
    totals,
    samples: new Float64Array(bytes, samplesAt, nSamples * nColumns),
    nColumns,
    records: Array.from({ length: nRecords }, (_, i) => readRecord(view, recordsAt + 32 * i)),
    index: new Uint32Array(bytes, indexAt, nCells),
    fill: new Uint16Array(bytes, fillAt, nCells),
    padding: new Uint16Array(bytes, paddingAt, nCells),
    commit: new Uint16Array(bytes, commitAt, nCells),
    state: new Uint8Array(bytes, stateAt, nCells),
    text: JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, textAt, textBytes)) || "{}"),
    memory: new Uint8Array(bytes, memoryAt, memoryBytes),
  };
}

/** @param {DataView} view @param {number} at @returns {Cpu} */
function readCpu(view, at) {
  return {
    produced: int64(view, at),
    consumed: int64(view, at + 8),
    written: int64(view, at + 16),
    lost: int64(view, at + 24),
    offset: view.getUint32(at + 32, true),
    dataIndex: view.getUint32(at + 36, true),
    reading: view.getInt32(at + 40, true),
    refcount: view.getInt32(at + 44, true),
    highWater: view.getUint32(at + 48, true),
    flags: view.getUint32(at + 52, true),
  };
}

/** @param {DataView} view @param {number} at @returns {JournalRecord} */
function readRecord(view, at) {
  return {
    tNs: int64(view, at),
    produced: int64(view, at + 8),
    value: int64(view, at + 16),
    subbuf: view.getUint32(at + 24, true),
    cpu: view.getUint16(at + 28, true),
    kind: view.getUint16(at + 30, true),
  };
}

/**
 * A 64-bit integer as a number: exact below 2^53, which counts of events never reach here.
 * @param {DataView} view @param {number} at
 */
function int64(view, at) {
  return view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}
