-- Version 3: replicas go over to rotated keys while they run. Run after version 2, by the owner:
--
--     bailiwick audit sql --from 2 | psql --single-transaction --set ON_ERROR_STOP=1 DATABASE
--
-- A key that came into use, by its purpose, and the index of the record that says so (of the first keys of all, how many
-- records there were). Written with that record: whoever is first writes it, and all others find it here. A checkpoint
-- of more records than that is signed by this key and by no older one.
INSERT INTO bailiwick.version VALUES (3);

CREATE TABLE bailiwick.key_used (
    log integer NOT NULL REFERENCES bailiwick.log,
    purpose text NOT NULL CHECK (length(purpose) BETWEEN 1 AND 128),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 1024),
    at bigint NOT NULL,
    PRIMARY KEY (log, purpose, key) -- a key comes into use once
);

REVOKE ALL ON bailiwick.key_used FROM PUBLIC;
GRANT SELECT ON bailiwick.key_used TO bailiwick_writer, bailiwick_reader;
GRANT INSERT ON bailiwick.key_used TO bailiwick_writer;
