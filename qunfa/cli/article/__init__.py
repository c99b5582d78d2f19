"""`qunfa article`: articles as their readers will see them."""
