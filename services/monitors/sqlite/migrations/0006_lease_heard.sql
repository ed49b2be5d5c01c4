-- +goose Up
-- A prober that leaves says how much it had heard, and what it lost is told as it was held.
ALTER TABLE prober_session ADD COLUMN heard INTEGER NOT NULL DEFAULT 0; -- greatest epoch, once it has left; 0: all
ALTER TABLE assignment_loss ADD COLUMN account_from INTEGER;
