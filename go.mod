module github.com/weirlb/weir

go 1.26.8
