DELETE FROM configs WHERE scope = 'subject' AND context = $1 AND subject = $2
