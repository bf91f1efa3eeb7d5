module fairlead.example.org/test/cluster/pause

go 1.26.0
