module fairlead.example.org/test/cluster/go-resolver

go 1.26.0
