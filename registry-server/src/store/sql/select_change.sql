SELECT last_change FROM registry
