-- Nothing to do: the planner finds the versions of an id by the index that is there.
SELECT 1;
