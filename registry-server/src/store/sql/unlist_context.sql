UPDATE contexts SET is_listed = 0 WHERE context = $1
