package guide

import "github.com/seed12c5fab1/beaker"

var visits = beaker.NewKey[int]("visits")
