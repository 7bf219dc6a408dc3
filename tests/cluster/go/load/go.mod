module knowngood/tests/cluster/load

go 1.26.0
