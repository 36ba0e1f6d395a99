-- The tables of a shared log, and the roles that may use them. PostgreSQL 14 or newer. Run once, as the owner:
--
--     bailiwick audit sql | psql --single-transaction --set ON_ERROR_STOP=1 DATABASE
--
-- then give each replica's login one role:  GRANT bailiwick_writer TO replica;
-- Writers may insert and read, never update, delete or truncate; readers read all but sealed parts; the eraser may
-- delete sealed parts and nothing else. Only the owner can change what is written, and then signed checkpoints,
-- mirrors and witnesses show it.
DO $$
BEGIN
    CREATE ROLE bailiwick_writer NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$
BEGIN
    CREATE ROLE bailiwick_reader NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$
BEGIN
    CREATE ROLE bailiwick_eraser NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE SCHEMA bailiwick;

CREATE TABLE bailiwick.version (version integer PRIMARY KEY);
INSERT INTO bailiwick.version VALUES (1);

-- A log by its origin, with the key that its first checkpoint is signed by; further keys after a rotation.
CREATE TABLE bailiwick.log (
    log integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin text NOT NULL UNIQUE CHECK (length(origin) BETWEEN 1 AND 512),
    vkey text NOT NULL
);
CREATE TABLE bailiwick.log_key (
    log integer NOT NULL REFERENCES bailiwick.log,
    vkey text NOT NULL,
    PRIMARY KEY (log, vkey)
);

-- What one commit made durable: `count` records from index `first`, the first of them the writer's number `seq`.
-- body: count times  u32 length | 32 leaf hash | leaf;  digest: SHA-256 over the leaf hashes;
-- chains: JSON, each tenant's counter and last leaf hash after this batch, for those that changed.
CREATE TABLE bailiwick.batch (
    log integer NOT NULL REFERENCES bailiwick.log,
    first bigint NOT NULL CHECK (first >= 0),
    count integer NOT NULL CHECK (count BETWEEN 1 AND 65536),
    writer text NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 1),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    chains bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (log, first),
    UNIQUE (log, writer, seq) -- a batch whose answer was lost can't be written twice
);
DO $$ -- leaves are much alike: lz4 writes and ships a quarter of the bytes; not at all is better than by pglz
BEGIN
    ALTER TABLE bailiwick.batch ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    ALTER TABLE bailiwick.batch ALTER COLUMN body SET STORAGE EXTERNAL;
END $$;

-- Sealed parts by their SHA-256.
CREATE TABLE bailiwick.part (
    log integer NOT NULL REFERENCES bailiwick.log,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    data bytea NOT NULL,
    PRIMARY KEY (log, sha256)
);
ALTER TABLE bailiwick.part ALTER COLUMN data SET STORAGE EXTERNAL;

-- All counters at a size, so that a start reads the batches after it only.
CREATE TABLE bailiwick.counters (
    log integer NOT NULL REFERENCES bailiwick.log,
    size bigint NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (log, size)
);

-- Commits whose answer was lost and that were found to have happened, and heads found after a change of publisher.
CREATE TABLE bailiwick.settled (
    log integer NOT NULL REFERENCES bailiwick.log,
    writer text NOT NULL,
    seq bigint NOT NULL,
    settled timestamptz NOT NULL DEFAULT now()
);

-- What is published: full tiles of the tree, heads (one successor each), signed checkpoints.
CREATE TABLE bailiwick.tile (
    log integer NOT NULL REFERENCES bailiwick.log,
    level smallint NOT NULL,
    number bigint NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    hashes bytea NOT NULL CHECK (length(hashes) = 8192),
    PRIMARY KEY (log, level, number)
);
ALTER TABLE bailiwick.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE TABLE bailiwick.head (
    log integer NOT NULL REFERENCES bailiwick.log,
    size bigint NOT NULL,
    previous bigint NOT NULL CHECK (previous < size),
    root bytea NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (log, size),
    UNIQUE (log, previous) -- compare-and-swap: a head has one successor
);
CREATE TABLE bailiwick.note (
    log integer NOT NULL REFERENCES bailiwick.log,
    name text NOT NULL CHECK (name IN ('checkpoint', 'checkpoint.witnessed')),
    size bigint NOT NULL,
    note bytea NOT NULL,
    PRIMARY KEY (log, name, size)
);

-- The order has no gaps: a batch begins where the one before it ends.
CREATE FUNCTION bailiwick.follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    expected bigint;
BEGIN
    SELECT b.first + b.count INTO expected FROM bailiwick.batch b WHERE b.log = NEW.log ORDER BY b.first DESC LIMIT 1;
    IF NEW.first <> coalesce(expected, 0) THEN
        RAISE EXCEPTION 'batch % does not follow: the log ends at %', NEW.first, coalesce(expected, 0)
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER follows BEFORE INSERT ON bailiwick.batch FOR EACH ROW EXECUTE FUNCTION bailiwick.follows();

-- Wait for one's turn, which lasts until the transaction ends, then say what was written from batch `known` on.
-- 1112822595 is "BWKC" as an integer.
CREATE FUNCTION bailiwick.turn(which integer, known bigint)
RETURNS TABLE (first bigint, count integer, writer text, seq bigint, digest bytea, chains bytea)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1112822595, which);
    RETURN QUERY SELECT b.first, b.count, b.writer, b.seq, b.digest, b.chains
        FROM bailiwick.batch b WHERE b.log = which AND b.first >= known ORDER BY b.first;
END $$;

REVOKE ALL ON SCHEMA bailiwick FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA bailiwick FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bailiwick FROM PUBLIC;
GRANT USAGE ON SCHEMA bailiwick TO bailiwick_writer, bailiwick_reader, bailiwick_eraser;
GRANT SELECT ON ALL TABLES IN SCHEMA bailiwick TO bailiwick_writer, bailiwick_reader;
REVOKE SELECT ON bailiwick.part FROM bailiwick_reader;
GRANT INSERT ON bailiwick.log, bailiwick.batch, bailiwick.part, bailiwick.counters, bailiwick.settled,
    bailiwick.tile, bailiwick.head, bailiwick.note TO bailiwick_writer;
GRANT EXECUTE ON FUNCTION bailiwick.turn(integer, bigint), bailiwick.follows() TO bailiwick_writer;
GRANT SELECT (log, sha256), DELETE ON bailiwick.part TO bailiwick_eraser;
GRANT SELECT ON bailiwick.log TO bailiwick_eraser;
