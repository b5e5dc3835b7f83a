module github.com/bearward/bearward/bench

go 1.26.0
