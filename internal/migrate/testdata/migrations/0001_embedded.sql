-- +goose Up
CREATE TABLE embedded (x INTEGER);
