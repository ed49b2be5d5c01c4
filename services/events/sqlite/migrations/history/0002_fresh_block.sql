-- +goose Up

-- New results, those of one append together, so that an append writes one row. They are read from here at a start only, and
-- known in memory otherwise. A row of a block that is in the table result is settled, and counts there; blocks of which little
-- is left are joined. The table fresh, where each was a row of its own, is emptied into this one when the file is opened.
--
-- rows is, for each result: series, moment as unsigned varints; outcome and which of the columns from dns_us to size_bytes
-- there are, a byte each; variant_id, late_ms, response_us and those columns as zigzag varints.
CREATE TABLE fresh_block (
  id   INTEGER PRIMARY KEY,
  rows BLOB NOT NULL
);
