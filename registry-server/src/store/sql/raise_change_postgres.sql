SELECT nextval('change_numbers')
