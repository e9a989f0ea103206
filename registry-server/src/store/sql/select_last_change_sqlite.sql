-- The last statement of every read: what was seen before it is at most this old.
SELECT last_change FROM registry
