module fairlead.dev/test/page

go 1.26.0
