/** The first schema of writ.db. Times are milliseconds since the epoch; JSON columns hold text. */

export const FIRST = `
CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Long columns stand last: a list that does not ask for them never reads their pages.
CREATE TABLE runs (
  id            TEXT NOT NULL PRIMARY KEY,      -- time-ordered
  task          TEXT NOT NULL,
  workspace     TEXT,
  actor         TEXT NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'success', 'failure', 'timeout',
                                               'crashed', 'cancelled', 'skipped', 'blocked')),
  attempt       INTEGER NOT NULL DEFAULT 0,     -- the last one begun; 0 = none yet
  lost_attempts INTEGER NOT NULL DEFAULT 0,     -- of these, how many died with their process and do not count
  created_at    INTEGER NOT NULL,
  due_at        INTEGER,                        -- queued, waiting: not before
  started_at    INTEGER,                        -- of the first attempt
  finished_at   INTEGER,

  owner         TEXT,                           -- process that executes it, or alone may
  node          TEXT,
  lease_until   INTEGER,
  fence         INTEGER NOT NULL DEFAULT 0,     -- grows with every claim; every state write names it

  parent_run    TEXT,                           -- chain, on_failure, tasks.run
  depth         INTEGER NOT NULL DEFAULT 0,     -- how many parents
  retry_of      TEXT,
  trigger_id    TEXT,                           -- with slot: the instant a cron trigger was due
  slot          INTEGER,
  idempotency_key   TEXT,                       -- scope included
  idempotency_hash  TEXT,                       -- of the request, where one key may not stand for two requests
  idempotency_until INTEGER,
  concurrency_key   TEXT,

  code_hash     TEXT,
  manifest_hash TEXT,
  trigger       TEXT NOT NULL,
  retry         TEXT,                           -- policy it was accepted under
  cancel        TEXT,                           -- who asked for its end, when, why
  error         TEXT,
  timings       TEXT,
  usage         TEXT,
  permissions   TEXT,
  secrets       TEXT,
  warnings      TEXT,
  params        TEXT NOT NULL,
  output        TEXT,
  input         BLOB,

  CHECK ((finished_at IS NULL) = (state IN ('queued', 'running', 'waiting'))),
  CHECK (state <> 'running' OR (owner IS NOT NULL AND attempt > 0)),
  CHECK ((slot IS NULL) = (trigger_id IS NULL)),
  CHECK ((idempotency_key IS NULL) = (idempotency_until IS NULL))
) STRICT;

CREATE INDEX runs_by_task ON runs (task, id);
CREATE INDEX runs_by_state ON runs (state, id);
CREATE INDEX runs_by_task_state ON runs (task, state, id);
CREATE INDEX runs_by_end ON runs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_due ON runs (due_at, id) WHERE state IN ('queued', 'waiting');
CREATE INDEX runs_owned ON runs (owner) WHERE owner IS NOT NULL AND state IN ('queued', 'running');
CREATE INDEX runs_concurrent ON runs (task, concurrency_key) WHERE state = 'running';
CREATE INDEX runs_by_parent ON runs (parent_run) WHERE parent_run IS NOT NULL;
CREATE UNIQUE INDEX runs_slot ON runs (task, trigger_id, slot) WHERE slot IS NOT NULL;
CREATE UNIQUE INDEX runs_idempotency ON runs (idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TRIGGER runs_end_once BEFORE UPDATE OF state, finished_at ON runs WHEN OLD.finished_at IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'the end of a run never changes');
END;

CREATE TABLE attempts (
  run         TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  attempt     INTEGER NOT NULL CHECK (attempt > 0),
  state       TEXT NOT NULL CHECK (state IN ('running', 'success', 'failure', 'timeout', 'crashed', 'cancelled',
                                             'skipped', 'blocked')),
  owner       TEXT NOT NULL,
  node        TEXT NOT NULL,
  fence       INTEGER NOT NULL,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER,
  code_hash   TEXT,                             -- where a reload changed it between attempts
  error       TEXT,
  timings     TEXT,
  usage       TEXT,
  secrets     TEXT,                             -- every attempt resolves again
  PRIMARY KEY (run, attempt),
  CHECK ((finished_at IS NULL) = (state = 'running'))
) STRICT, WITHOUT ROWID;

CREATE TABLE run_logs (
  run     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  seq     INTEGER NOT NULL,                     -- 1, 2, 3 … within the run
  attempt INTEGER NOT NULL,
  t       INTEGER NOT NULL,
  level   TEXT NOT NULL CHECK (level IN ('debug', 'info', 'warn', 'error')),
  text    TEXT NOT NULL,
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  seq       INTEGER NOT NULL PRIMARY KEY,       -- 1, 2, 3 …
  time      INTEGER NOT NULL,
  actor     TEXT NOT NULL,
  workspace TEXT,
  run       TEXT,
  action    TEXT NOT NULL,
  target    TEXT NOT NULL,
  result    TEXT NOT NULL CHECK (result IN ('ok', 'denied', 'error')),
  mac       BLOB NOT NULL CHECK (length(mac) = 32),
  mac_key   TEXT                                -- NULL: a bare hash, from before there was a vault
) STRICT;

CREATE TABLE kv_namespaces (
  namespace TEXT NOT NULL PRIMARY KEY,
  version   INTEGER NOT NULL DEFAULT 0,         -- of the last write; never falls, so no version comes twice
  keys      INTEGER NOT NULL DEFAULT 0,
  bytes     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE kv (
  namespace  TEXT NOT NULL REFERENCES kv_namespaces (namespace),
  key        TEXT NOT NULL,
  value      TEXT NOT NULL,
  bytes      INTEGER NOT NULL,                  -- key and value
  version    INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (namespace, key)
) STRICT;

CREATE INDEX kv_by_expiry ON kv (namespace, expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER kv_counts_insert AFTER INSERT ON kv BEGIN
  UPDATE kv_namespaces SET keys = keys + 1, bytes = bytes + NEW.bytes WHERE namespace = NEW.namespace;
END;
CREATE TRIGGER kv_counts_update AFTER UPDATE OF bytes ON kv BEGIN
  UPDATE kv_namespaces SET bytes = bytes + NEW.bytes - OLD.bytes WHERE namespace = NEW.namespace;
END;
CREATE TRIGGER kv_counts_delete AFTER DELETE ON kv BEGIN
  UPDATE kv_namespaces SET keys = keys - 1, bytes = bytes - OLD.bytes WHERE namespace = OLD.namespace;
END;
`;
