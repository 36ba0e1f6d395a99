-- Version 2: a shared log goes on in shards, and what is old, or has to, goes. Run after version 1, by the owner:
--
--     bailiwick audit sql --from 1 | psql --single-transaction --set ON_ERROR_STOP=1 DATABASE
--
-- Nothing is removed by a writer: GRANT bailiwick_eraser TO a login that may take sealed parts, bailiwick_pruner to one
-- that may take the records of old shards too. What they may take, the tables say: a part that an erasure record
-- names, a shard whose pruning is recorded, signed and proved. Rows here are written with the record that says the same.
DO $$
BEGIN
    CREATE ROLE bailiwick_pruner NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
GRANT bailiwick_eraser TO bailiwick_pruner;

INSERT INTO bailiwick.version VALUES (2);

-- A shard that has ended, at which size, and the origin that it goes on as.
CREATE TABLE bailiwick.ended (
    log integer PRIMARY KEY REFERENCES bailiwick.log,
    size bigint NOT NULL CHECK (size > 0),
    next text NOT NULL CHECK (length(next) BETWEEN 1 AND 512)
);

-- Legal holds placed and lifted, as JSON, by the index of the record that says so.
CREATE TABLE bailiwick.hold (
    log integer NOT NULL REFERENCES bailiwick.log,
    at bigint NOT NULL,
    said bytea NOT NULL,
    PRIMARY KEY (log, at)
);

-- Sealed parts that an erasure record names.
CREATE TABLE bailiwick.declared (
    log integer NOT NULL REFERENCES bailiwick.log,
    at bigint NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (sha256, log, at)
);

-- A shard whose records may go: proofs of its first record and of the record of its pruning, and the hashes of its
-- unfinished tile, which nothing else keeps.
CREATE TABLE bailiwick.buried (
    log integer PRIMARY KEY REFERENCES bailiwick.log,
    genesis bytea NOT NULL,
    tombstone bytea NOT NULL,
    edge bytea NOT NULL CHECK (length(edge) % 32 = 0 AND length(edge) < 8192)
);

-- The order has no gaps, and nothing follows the end.
CREATE OR REPLACE FUNCTION bailiwick.follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    expected bigint;
    successor text;
BEGIN
    SELECT e.next INTO successor FROM bailiwick.ended e WHERE e.log = NEW.log AND e.size <= NEW.first;
    IF FOUND THEN
        RAISE EXCEPTION 'the shard has ended: it goes on as %', successor USING ERRCODE = 'BW001';
    END IF;
    SELECT b.first + b.count INTO expected FROM bailiwick.batch b WHERE b.log = NEW.log ORDER BY b.first DESC LIMIT 1;
    IF NEW.first <> coalesce(expected, 0) THEN
        RAISE EXCEPTION 'batch % does not follow: the log ends at %', NEW.first, coalesce(expected, 0)
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION bailiwick.may_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM bailiwick.buried b WHERE b.log = OLD.log) THEN
        RETURN OLD;
    END IF;
    IF TG_TABLE_NAME = 'part' THEN
        IF EXISTS (SELECT FROM bailiwick.declared d WHERE d.sha256 = OLD.sha256) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'no record declares part % erased', encode(OLD.sha256, 'hex') USING ERRCODE = 'BW002';
    END IF;
    RAISE EXCEPTION 'no signed record says that shard % is pruned', OLD.log USING ERRCODE = 'BW002';
END $$;
CREATE TRIGGER may_go BEFORE DELETE ON bailiwick.part FOR EACH ROW EXECUTE FUNCTION bailiwick.may_go();
CREATE TRIGGER may_go BEFORE DELETE ON bailiwick.batch FOR EACH ROW EXECUTE FUNCTION bailiwick.may_go();
CREATE TRIGGER may_go BEFORE DELETE ON bailiwick.counters FOR EACH ROW EXECUTE FUNCTION bailiwick.may_go();

REVOKE ALL ON bailiwick.ended, bailiwick.hold, bailiwick.declared, bailiwick.buried FROM PUBLIC;
REVOKE ALL ON FUNCTION bailiwick.may_go() FROM PUBLIC;
GRANT SELECT ON bailiwick.ended, bailiwick.hold, bailiwick.declared, bailiwick.buried
    TO bailiwick_writer, bailiwick_reader;
GRANT INSERT ON bailiwick.ended, bailiwick.hold, bailiwick.declared, bailiwick.buried TO bailiwick_writer;
GRANT SELECT ON bailiwick.declared, bailiwick.buried TO bailiwick_eraser;
GRANT EXECUTE ON FUNCTION bailiwick.may_go() TO bailiwick_eraser;
GRANT SELECT (log, first), DELETE ON bailiwick.batch TO bailiwick_pruner;
GRANT SELECT (log, size), DELETE ON bailiwick.counters TO bailiwick_pruner;
