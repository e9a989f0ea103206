UPDATE registry SET revision = $1
