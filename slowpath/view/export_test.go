package view

// WriteTableAt is WriteTable at another time.
var WriteTableAt = writeTable
