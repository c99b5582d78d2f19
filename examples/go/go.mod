module qunfa-example

go 1.23
